"""What both the kits (leser.testing) and the doctor hold a plugin to: the texts they try, and the shapes of answers."""
