"""From a person and a scene to a picture: mesh, projection, background, camera, landmarks."""
