"""What is done to one clip, in order: probe, sound, faces, sync, crops."""
