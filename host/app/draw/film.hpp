#pragma once
/// \file A motion as a picture or a film: a strip of moments (.png), .gif, .mp4.

#include <filesystem>
#include <functional>
#include <vector>

#include "host/app/draw/image.hpp"
#include "host/app/draw/seen.hpp"

struct mjModel_;

namespace stampede {

/// How a motion is drawn.
struct FilmOptions {
  std::filesystem::path out;              ///< its ending chooses the format: .png, .gif or .mp4
  int width = 640, height = 480;          ///< of one frame [pixels]; a strip has kStripMoments of them side by side
  const SeenPictures* beside = nullptr;   ///< drawn to the right of each frame, which becomes wider by that; or null
  double fps = 25;                        ///< frames a second; at 25 a frame lasts a whole number of steps
                                          ///< of 2 or 5 ms, and of hundredths of a second, a GIF's unit
  double azimuth = 135, elevation = -18;  ///< of the line of sight [degrees]
  std::function<void(int done, int all)> progress;  ///< called after each frame, where given
};

/// Moments of a strip.
constexpr int kStripMoments = 6;
/// The largest width and height of a frame [pixels].
constexpr int kMaxFrameSide = 4096;

/// Throws Error, naming the flag, where the options cannot be: an ending that is none of the three, a size or rate out
/// of range.
void check_film(const FilmOptions& options);

/// Writes a film of `count` frames to options.out. `frame(i)` draws one; `moments(n)` chooses n frames or fewer, for a
/// strip and to choose a GIF's colours from. Returns the number of frames drawn.
int write_film(int count, const std::function<std::vector<int>(int)>& moments, const std::function<Image(int)>& frame,
               const FilmOptions& options);

/// Draws a motion: `qpos` holds a state's positions [nq] for each frame of the film, 1 / fps apart; a strip shows some
/// of them, from first to last. The camera follows a robot that is free to move. Returns the number of frames drawn.
/// Throws Error where there is no frame, or a position is not finite.
int draw_film(const mjModel_* model, const std::vector<std::vector<double>>& qpos, const FilmOptions& options);

}  // namespace stampede
