"""A page on this machine: drop a picture or video, see its faces and their answers.

It uses evaluation, explanation and faces. It needs the extra `app`.
"""
