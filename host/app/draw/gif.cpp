/// \file GIF, encoded by giflib: one palette for all frames, and in each frame only what differs from the one before.
#include <gif_lib.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <new>
#include <utility>

#include "host/app/draw/image_io.hpp"
#include "host/app/draw/palette.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"

namespace stampede {
namespace {

class GifWriter : public FilmWriter {
 public:
  GifWriter(const std::filesystem::path& path, const std::vector<Image>& samples, double fps)
      : path_(path), palette_(samples), fps_(fps), width_(samples.front().width), height_(samples.front().height) {
    const auto append = [](GifFileType* file, const GifByteType* bytes, int count) {
      static_cast<std::string*>(file->UserData)
          ->append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
      return count;
    };
    int error = 0;
    file_ = EGifOpen(&bytes_, append, &error);
    if (file_ == nullptr) fail(error);
    EGifSetGifVersion(file_, true);
    ColorMapObject* map = GifMakeMapObject(256, nullptr);
    if (map == nullptr) throw std::bad_alloc();
    for (std::size_t i = 0; i < palette_.colours().size(); ++i) {
      const auto& colour = palette_.colours()[i];
      map->Colors[i] = {colour[0], colour[1], colour[2]};
    }
    const int status = EGifPutScreenDesc(file_, width_, height_, 8, 0, map);
    GifFreeMapObject(map);
    check(status);
    // Netscape's extension: a loop without end.
    const unsigned char loop[3] = {1, 0, 0};
    check(EGifPutExtensionLeader(file_, APPLICATION_EXT_FUNC_CODE));
    check(EGifPutExtensionBlock(file_, 11, "NETSCAPE2.0"));
    check(EGifPutExtensionBlock(file_, 3, loop));
    check(EGifPutExtensionTrailer(file_));
    shown_.assign(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_), kTransparent);
  }
  ~GifWriter() override {
    if (file_ != nullptr) EGifCloseFile(file_, nullptr);
  }

  void add(const Image& frame) override {
    if (frame.width != width_ || frame.height != height_) throw Error("a film's frames must be of one size");
    std::vector<GifByteType> now(shown_.size());
    for (std::size_t i = 0; i < now.size(); ++i) now[i] = palette_.nearest(&frame.rgb[3 * i]);
    // The smallest rectangle that holds all changes; one pixel where nothing changed.
    int left = width_, right = -1, top = height_, bottom = -1;
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) {
        if (now[at(x, y)] == shown_[at(x, y)]) continue;
        left = std::min(left, x), right = std::max(right, x);
        top = std::min(top, y), bottom = std::max(bottom, y);
      }
    }
    if (right < 0) left = right = top = bottom = 0;

    // Durations in hundredths of a second, such that frame n ends as near to n / fps as possible.
    ++frames_;
    const auto end = static_cast<long>(std::lround(100 * static_cast<double>(frames_) / fps_));
    GraphicsControlBlock control{};
    control.DisposalMode = DISPOSE_DO_NOT;
    control.DelayTime = static_cast<int>(std::min(65535L, end - end_));
    control.TransparentColor = kTransparent;
    end_ = end;
    GifByteType extension[4];
    EGifGCBToExtension(&control, extension);
    check(EGifPutExtension(file_, GRAPHICS_EXT_FUNC_CODE, 4, extension));
    check(EGifPutImageDesc(file_, left, top, right - left + 1, bottom - top + 1, false, nullptr));
    std::vector<GifByteType> line(static_cast<std::size_t>(right - left + 1));
    for (int y = top; y <= bottom; ++y) {
      for (int x = left; x <= right; ++x) {
        line[static_cast<std::size_t>(x - left)] = now[at(x, y)] == shown_[at(x, y)] ? kTransparent : now[at(x, y)];
      }
      check(EGifPutLine(file_, line.data(), right - left + 1));
    }
    shown_ = std::move(now);
  }

  void finish() override {
    int error = 0;
    GifFileType* file = std::exchange(file_, nullptr);
    if (EGifCloseFile(file, &error) == GIF_ERROR) fail(error);
    write_file(path_, bytes_);
  }

 private:
  static constexpr GifByteType kTransparent = 255;  // one more than the palette's last colour

  std::size_t at(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x);
  }
  void check(int status) {
    if (status == GIF_ERROR) fail(file_->Error);
  }
  [[noreturn]] void fail(int error) {
    const char* reason = GifErrorString(error);
    throw Error("cannot make " + path_.string() + ": " + (reason == nullptr ? "giflib failed" : reason),
                Status::kFailed);
  }

  std::filesystem::path path_;
  Palette palette_;
  double fps_;
  int width_, height_;
  std::string bytes_;
  GifFileType* file_ = nullptr;
  std::vector<GifByteType> shown_;
  std::int64_t frames_ = 0;
  long end_ = 0;
};

}  // namespace

std::unique_ptr<FilmWriter> make_gif(const std::filesystem::path& path, const std::vector<Image>& samples, double fps) {
  if (!(fps > 0 && fps <= 100)) throw Error("a GIF of " + std::to_string(fps) + " frames a second; up to 100 can be");
  if (samples.empty()) throw Error("a GIF needs a picture to choose its colours from", Status::kFailed);
  return std::make_unique<GifWriter>(path, samples, fps);
}

}  // namespace stampede
