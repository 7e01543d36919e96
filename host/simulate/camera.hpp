#pragma once
/// \file The depth cameras of a batch of robots on a backend (kernels/sense/depth_camera.hpp).

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/robot_model.hpp"
#include "kernels/sense/depth_camera.hpp"

namespace stampede {

/// Numbers of a robot's description as kernels have them.
inline Vec3<float> to_floats(const Vec3<double>& v) {
  return {static_cast<float>(v.x), static_cast<float>(v.y), static_cast<float>(v.z)};
}
inline Mat3<float> to_floats(const Mat3<double>& m) { return {to_floats(m.x), to_floats(m.y), to_floats(m.z)}; }

/// What is below the robots, for rays; `map`: the robot's map on the device.
inline SeenGround seen_ground(const RobotModel& robot, const TerrainView& map) {
  return {robot.plane.present, to_floats(robot.plane.point), to_floats(robot.plane.normal), map};
}

/// A camera on each robot of a batch. Lives as long as the robots, whose states it reads.
template <class Backend, class Shape>
class Cameras {
 public:
  using Context = typename Backend::Context;

  /// `stride`: how many environments; `first_environment`: number of the first among those of all ranks.
  Cameras(Backend& backend, const DepthCamera& camera, const RobotModel& robot, const TerrainView& map, Index stride,
          Index first_environment)
      : camera_(camera),
        ground_(seen_ground(robot, map)),
        first_environment_(first_environment),
        stride_(stride),
        solids_(static_cast<int>(robot.solids.size())) {
    std::vector<ChainJoint> joints;
    for (const JointModel<double>& joint : robot.joint) {
      joints.push_back({to_floats(joint.offset), to_floats(joint.frame), static_cast<float>(joint.reference),
                        static_cast<float>(joint.slide)});
    }
    std::vector<Solid<float>> solids;
    for (const Solid<double>& from : robot.solids) {
      solids.push_back(
          {from.shape, from.limb, from.link, to_floats(from.centre), to_floats(from.axes), to_floats(from.half)});
    }
    joint_ = uploaded(backend, joints);
    solid_ = uploaded(backend, solids);
    pose_ = backend.template make_buffer<CameraPose>(stride);
    seen_ = backend.template make_buffer<SeenSolid>(stride * std::max(solids_, 1));
    clean_ = backend.template make_buffer<float>(stride * camera.row());
    frames_ = backend.template make_buffer<float>(stride * camera.frames() * camera.pixels());
  }

  /// What a step of a range of environments needs beside the robots' states.
  struct Step {
    const float* age;  ///< [env]: control steps into the episode
    std::uint64_t seed;
    const std::uint32_t* clock;  ///< with `offset` added, what random numbers are keyed by; null: all episodes start
    std::uint32_t offset;
  };

  /// Takes the pictures that are due, and writes those that are seen now to the beginnings of the rows
  /// [env][`size`] of `observation`.
  void look(const Context& context, Range range, const RowsView<float>& state, const Step& step, float* observation,
            Index size) {
    const FrameClock clock{step.age, camera_.every, step.clock, step.offset};
    const Range pixels{range.begin * camera_.pixels(), range.end * camera_.pixels()};
    context.launch(range, PlaceCameras<Shape>{camera_, clock, state, joint_.data(), solid_.data(), solids_, step.seed,
                                              first_environment_, pose_.data(), seen_.data()});
    context.launch(pixels, CastDepth{camera_, clock, ground_, pose_.data(), seen_.data(), solids_, clean_.data()});
    context.launch(pixels, ReadDepth{camera_, clock, clean_.data(), step.seed, first_environment_, frames_.data(),
                                     observation, size});
  }

  /// The frames that are kept, for checkpoints.
  void save(Backend& backend, std::vector<Tensor>& tensors) {
    std::vector<float> values(static_cast<std::size_t>(frames_.size()));
    backend.download(frames_, values.data(), frames_.size());
    tensors.push_back(make_tensor("camera_frames", {stride_, camera_.frames(), camera_.height, camera_.width}, values));
  }
  void load(Backend& backend, const std::vector<Tensor>& tensors) {
    const auto values = floats_of(tensors, "camera_frames", static_cast<std::size_t>(frames_.size()));
    backend.upload(frames_, values.data(), frames_.size());
  }

 private:
  template <class T>
  using Buffer = typename Backend::template Buffer<T>;

  template <class T>
  static Buffer<T> uploaded(Backend& backend, const std::vector<T>& values) {
    const auto size = static_cast<Index>(values.size());
    auto buffer = backend.template make_buffer<T>(std::max(size, Index{1}));
    if (size > 0) backend.upload(buffer, values.data(), size);
    return buffer;
  }

  DepthCamera camera_;
  SeenGround ground_;
  Index first_environment_, stride_;
  int solids_;
  Buffer<ChainJoint> joint_;
  Buffer<Solid<float>> solid_;
  Buffer<CameraPose> pose_;  ///< [env]
  Buffer<SeenSolid> seen_;   ///< [env][solids]
  Buffer<float> clean_;      ///< [env][DepthCamera::row()]
  Buffer<float> frames_;     ///< [env][frames][pixels]
};

}  // namespace stampede
