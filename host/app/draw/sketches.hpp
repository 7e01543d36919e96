#pragma once
/// \file Sketches (envs/sketch.hpp) as a picture or a film.

#include <vector>

#include "envs/sketch.hpp"
#include "host/app/draw/film.hpp"

namespace stampede {

/// Draws a motion: a sketch for each frame of the film, 1 / fps apart; a strip shows some of them, from first to last.
/// All of them are drawn at one scale, such that every stroke is in the picture. Returns the number of frames drawn.
/// Throws Error where there is no frame, or a number is not finite.
int draw_sketches(const std::vector<Sketch>& sketches, const FilmOptions& options);

}  // namespace stampede
