"""What can be learnt: each task says which labels are read, what their losses are, and which figures come of them."""
