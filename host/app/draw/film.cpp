/// \file A motion as a picture or a film.
#include "host/app/draw/film.hpp"

#include <fmt/format.h>
#include <mujoco/mujoco.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <new>

#include "host/app/draw/image_io.hpp"
#include "host/app/draw/renderer.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"

namespace stampede {
namespace {

constexpr int kPaletteFrames = 12;  ///< from which a GIF's colours are chosen
constexpr double kSmoothing = 0.5;  ///< the camera's path is a mean over so long before and after [s]

struct DeleteData {
  void operator()(mjData* data) const { mj_deleteData(data); }
};

/// The motion's states, one after the other, in MuJoCo's own structure.
class Motion {
 public:
  Motion(const mjModel* model, const std::vector<std::vector<double>>& qpos)
      : model_(model), qpos_(qpos), data_(mj_makeData(model)) {
    if (data_ == nullptr) throw std::bad_alloc();
    if (qpos.empty()) throw Error("a motion without a frame cannot be drawn", Status::kFailed);
    for (std::size_t i = 0; i < qpos.size(); ++i) {
      if (static_cast<int>(qpos[i].size()) != static_cast<int>(model->nq)) {
        throw Error(fmt::format("frame {} has {} positions; the model has {}", i, qpos[i].size(), model->nq),
                    Status::kFailed);
      }
      for (const double x : qpos[i]) {
        if (!std::isfinite(x))
          throw Error(fmt::format("frame {} holds a position that is not finite", i), Status::kFailed);
      }
    }
    for (int joint = 0; joint < model->njnt; ++joint) {
      if (model->jnt_type[joint] == mjJNT_FREE) bases_.push_back(model->jnt_bodyid[joint]);
    }
  }

  /// Whether any robot is free to move in the world.
  bool free() const { return !bases_.empty(); }

  /// The base's position in the state that `at` gave last; the mean where there are several robots; world [m].
  std::array<double, 3> base() const {
    std::array<double, 3> middle{};
    for (const int body : bases_) {
      for (std::size_t k = 0; k < 3; ++k) {
        middle[k] += data_->xpos[3 * body + static_cast<int>(k)] / static_cast<double>(bases_.size());
      }
    }
    return middle;
  }

  int size() const { return static_cast<int>(qpos_.size()); }

  /// State `i` with all that the renderer reads.
  const mjData* at(int i) {
    std::copy(qpos_[static_cast<std::size_t>(i)].begin(), qpos_[static_cast<std::size_t>(i)].end(), data_->qpos);
    mj_kinematics(model_, data_.get());
    mj_comPos(model_, data_.get());
    mj_camlight(model_, data_.get());
    return data_.get();
  }

 private:
  const mjModel* model_;
  const std::vector<std::vector<double>>& qpos_;
  std::unique_ptr<mjData, DeleteData> data_;
  std::vector<int> bases_;  ///< bodies that move freely
};

using Point = std::array<double, 3>;

/// A moving average: each point becomes the mean of up to `half` points to each side, fewer towards the ends, so that
/// the path begins and ends where the points do.
std::vector<Point> smoothed(const std::vector<Point>& points, int half) {
  const auto size = static_cast<int>(points.size());
  std::vector<Point> smooth;
  for (int i = 0; i < size; ++i) {
    const int reach = std::min({half, i, size - 1 - i});
    Point sum{};
    for (int j = i - reach; j <= i + reach; ++j) {
      for (std::size_t k = 0; k < 3; ++k) sum[k] += points[static_cast<std::size_t>(j)][k] / (2 * reach + 1);
    }
    smooth.push_back(sum);
  }
  return smooth;
}

/// The camera's path, and how much has moved up to each frame.
///
/// Along the ground the camera follows the base of a robot that is free to move, on a smoothed path, so that it does
/// not shake with the gait. A robot whose base is fixed is followed only along axes along which it moves far, compared
/// with its size.
class Camera {
 public:
  Camera(const Renderer& renderer, Motion& motion, const FilmOptions& options) {
    std::vector<Ball> all, before;
    std::vector<Point> centres;
    double size = 0;
    for (int i = 0; i < motion.size(); ++i) {
      const std::vector<Ball> balls = renderer.balls(motion.at(i));
      Point low, high;
      low.fill(std::numeric_limits<double>::infinity());
      high.fill(-low[0]);
      double moved = 0;
      for (std::size_t b = 0; b < balls.size(); ++b) {
        for (std::size_t k = 0; k < 3; ++k) {
          low[k] = std::min(low[k], balls[b].centre[k] - balls[b].radius);
          high[k] = std::max(high[k], balls[b].centre[k] + balls[b].radius);
          if (i > 0) moved += std::abs(balls[b].centre[k] - before[b].centre[k]);
        }
      }
      Point& centre = centres.emplace_back();
      for (std::size_t k = 0; k < 3; ++k) {
        centre[k] = 0.5 * (low[k] + high[k]);
        size = std::max(size, high[k] - low[k]);
      }
      if (motion.free()) centre = motion.base();
      way_.push_back((i == 0 ? 0 : way_.back()) + moved);
      before = balls;
    }
    const auto extent = [&centres](std::size_t k) {
      const auto [low, high] = std::minmax_element(centres.begin(), centres.end(),
                                                   [k](const Point& a, const Point& b) { return a[k] < b[k]; });
      return (*high)[k] - (*low)[k];
    };
    const bool travels = std::max(extent(0), extent(1)) > 2 * size;
    follows_[0] = motion.free() || extent(0) > 2 * size;
    follows_[1] = motion.free() || extent(1) > 2 * size;
    // A robot that travels is followed up and down too. One that falls in place is not: its way to the ground stays in
    // view.
    follows_[2] = (motion.free() && travels) || extent(2) > 4 * size;
    centre_ = smoothed(centres, static_cast<int>(std::lround(kSmoothing * options.fps)));
    for (int i = 0; i < motion.size(); ++i) {
      for (Ball ball : renderer.balls(motion.at(i))) {
        for (std::size_t k = 0; k < 3; ++k) ball.centre[k] -= follows_[k] ? centre_[static_cast<std::size_t>(i)][k] : 0;
        all.push_back(ball);
      }
    }
    view_ = renderer.fit(all, options.azimuth, options.elevation);
  }

  View at(int frame) const {
    View view = view_;
    for (std::size_t k = 0; k < 3; ++k) {
      if (follows_[k]) view.target[k] += centre_[static_cast<std::size_t>(frame)][k];
    }
    return view;
  }

  /// Chooses `count` frames, first and last among them: spread half by time and half by how much moves, because a fall
  /// takes only the beginning of a film.
  std::vector<int> moments(int count) const {
    const auto size = static_cast<int>(way_.size());
    count = std::min(count, size);
    const auto come = [&](int i) {
      const double time = size > 1 ? static_cast<double>(i) / (size - 1) : 0;
      return way_.back() > 0 ? 0.5 * time + 0.5 * way_[static_cast<std::size_t>(i)] / way_.back() : time;
    };
    std::vector<int> chosen;
    for (int m = 0, i = 0; m < count; ++m, ++i) {
      // As many frames must be left as there are moments still to choose.
      while (i < size - (count - m) && count > 1 && come(i) < static_cast<double>(m) / (count - 1) - 1e-9) ++i;
      chosen.push_back(i);
    }
    return chosen;
  }

 private:
  View view_;
  std::array<bool, 3> follows_{};
  std::vector<Point> centre_;  ///< that the camera goes with, of each frame, world [m]
  std::vector<double> way_;    ///< how far all shapes together have moved since the start [m]
};

}  // namespace

void check_film(const FilmOptions& options) {
  const std::string ending = options.out.extension().string();
  if (ending != ".png" && ending != ".gif" && ending != ".mp4") {
    throw Error("--out " + options.out.string() + ": its ending says nothing; it must be .png, .gif or .mp4");
  }
  for (const auto& [flag, value] : {std::pair{"--width", options.width}, {"--height", options.height}}) {
    if (value < 16 || value > kMaxFrameSide) {
      throw Error(fmt::format("{} {} is out of range; it must be from 16 to {}", flag, value, kMaxFrameSide));
    }
  }
  if (!(options.fps >= 1 && options.fps <= 100)) {
    throw Error(fmt::format("--fps {} is out of range; it must be from 1 to 100", options.fps));
  }
}

int write_film(int count, const std::function<std::vector<int>(int)>& moments, const std::function<Image(int)>& frame,
               const FilmOptions& options) {
  const auto draw_one = [&](int i) {
    return options.beside == nullptr ? frame(i) : side_by_side({frame(i), options.beside->draw(i, options.height)});
  };
  const auto draw_some = [&](const std::vector<int>& chosen) {
    std::vector<Image> images;
    for (const int i : chosen) images.push_back(draw_one(i));
    return images;
  };
  const int width = options.width + (options.beside == nullptr ? 0 : options.beside->drawn_width(options.height));
  const std::string ending = options.out.extension().string();
  if (ending == ".png") {
    const std::vector<Image> strip = draw_some(moments(kStripMoments));
    write_file(options.out, to_png(side_by_side(strip)));
    return static_cast<int>(strip.size());
  }
  const std::unique_ptr<FilmWriter> film = ending == ".mp4"
                                               ? make_mp4(options.out, width, options.height, options.fps)
                                               : make_gif(options.out, draw_some(moments(kPaletteFrames)), options.fps);
  for (int i = 0; i < count; ++i) {
    film->add(draw_one(i));
    if (options.progress) options.progress(i + 1, count);
  }
  film->finish();
  return count;
}

int draw_film(const mjModel_* model, const std::vector<std::vector<double>>& qpos, const FilmOptions& options) {
  check_film(options);
  Motion motion(model, qpos);
  Renderer renderer(model, options.width, options.height);
  const Camera camera(renderer, motion, options);
  return write_film(
      motion.size(), [&](int count) { return camera.moments(count); },
      [&](int i) {
        const mjData* data = motion.at(i);
        return renderer.frame(data, camera.at(i));
      },
      options);
}

}  // namespace stampede
