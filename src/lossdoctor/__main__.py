"""`python -m lossdoctor`."""

from lossdoctor.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
