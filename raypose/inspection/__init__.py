"""What is in labelled data and what is wrong with it: checks, numbers, contact sheets."""
