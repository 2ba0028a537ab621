"""Plans and operations of the controller, without a machine."""
