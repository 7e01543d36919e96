"""The parts of scripts/gpu-model: `sass` reads machine code, `walk` follows a warp through it, `issue` says how long that takes."""
