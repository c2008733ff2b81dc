"""The pages: sign-in, consent, settings and connected apps, and how an app takes them all in."""
