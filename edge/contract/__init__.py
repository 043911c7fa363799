"""What training and cart agree on: frames, preprocessing, the model's specification and the bundle."""
