#pragma once
/// \file Pictures and films as files: PNG, GIF, MP4. Each is written beside and renamed: whole, or not there.

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

/// A film that is written as it is drawn.
class FilmWriter {
 public:
  virtual ~FilmWriter() = default;
  /// The next frame. All are of the size that the writer was made for.
  virtual void add(const Image& frame) = 0;
  /// Ends the film and puts the file in its place. Without it there is no file.
  virtual void finish() = 0;
};

/// A GIF that repeats for ever. All frames have one palette, chosen from `samples` by median cut, so that a colour that
/// stays the same is drawn the same; a frame holds only what differs from the one before.
/// `fps` [1/s] up to 100; the format counts hundredths of a second, and durations alternate so that the rate is right.
std::unique_ptr<FilmWriter> make_gif(const std::filesystem::path& path, const std::vector<Image>& samples, double fps);

/// An MP4 (H.264), made by the program ffmpeg. Throws Error where ffmpeg is missing.
std::unique_ptr<FilmWriter> make_mp4(const std::filesystem::path& path, int width, int height, double fps);

}  // namespace stampede
