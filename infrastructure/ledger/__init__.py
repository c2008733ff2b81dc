"""The transparency log over all events (EVIDENCE.md 1): tree, notes, sealing, proofs, bundles, and the verifier that an auditor reads."""
