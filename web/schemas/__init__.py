"""Shapes of the API's requests and answers (marshmallow), from which its description is made."""
