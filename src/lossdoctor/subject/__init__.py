"""Subjects: finding a loss, loading it, and what it is probably given."""

from lossdoctor.subject.frames import is_user_file as is_user_file
from lossdoctor.subject.frames import user_frames as user_frames
from lossdoctor.subject.inference import infer as infer
from lossdoctor.subject.subject import Subject as Subject
from lossdoctor.subject.subject import load as load
from lossdoctor.subject.subject import subject_of as subject_of
