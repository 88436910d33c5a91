"""The engines that a server can hold."""
