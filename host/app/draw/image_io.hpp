#pragma once
/// \file Pictures and films as files: PNG, GIF, MP4. Each is written under another name and renamed when it is
/// complete, so that no file is ever half written.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/app/draw/image.hpp"

namespace stampede {

/// The picture as a PNG file's bytes.
std::string to_png(const Image& image);

/// Pictures of one height side by side.
Image side_by_side(const std::vector<Image>& images);

/// Writes a film frame by frame, as it is drawn.
class FilmWriter {
 public:
  virtual ~FilmWriter() = default;
  /// The next frame. All are of the size that the writer was made for.
  virtual void add(const Image& frame) = 0;
  /// Ends the film and puts the file in its place. Without it there is no file.
  virtual void finish() = 0;
};

/// A GIF that repeats for ever. All frames share one palette, chosen from `samples` by median cut, so that a colour
/// that stays the same looks the same in every frame. A frame holds only the rectangle that differs from the one
/// before. `fps` [1/s] is at most 100. The format counts hundredths of a second; durations alternate so that the rate
/// is right on average.
std::unique_ptr<FilmWriter> make_gif(const std::filesystem::path& path, const std::vector<Image>& samples, double fps);

/// An MP4 (H.264), made by the program ffmpeg. Throws Error where ffmpeg is missing.
std::unique_ptr<FilmWriter> make_mp4(const std::filesystem::path& path, int width, int height, double fps);

}  // namespace stampede
