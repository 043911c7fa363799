"""What runs on the cart. Never imports torch, export or calibration."""
