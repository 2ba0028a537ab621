"""Logins with an account of an LDAP directory (Active Directory, OpenLDAP): who somebody is, in which groups, and what follows from it."""
