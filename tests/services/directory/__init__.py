"""Directories for tests: OpenLDAP's slapd (starts in a second) and a Samba domain controller, both Debian's, on loopback."""
