"""Single sign-on through the account's OpenID provider, as the browser sees it."""
