"""Who signed: from a request to the Caller whose key made its signature."""
