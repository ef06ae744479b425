"""Warm-up: a supervised start on expansions that the engine itself has proven on train queries."""
