"""How a model comes to serve: fetched, verified, approved, held, kept."""
