"""May they: gather the policies that apply, build the request context, ask the engine."""
