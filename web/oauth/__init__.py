"""The OAuth endpoints: plain functions of (form, headers, peer), called by Flask's routes and by the front."""
