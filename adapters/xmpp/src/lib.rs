//! The XMPP adapter: a XEP-0114 component with puppets.
