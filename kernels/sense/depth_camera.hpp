#pragma once
/// \file A depth camera on each robot's base: a picture every few control steps, by casting a ray through the middle of
/// each pixel. A pixel's number is the depth: how far what it sees lies along the camera's optical axis [m], within the
/// camera's range. The camera is a pinhole; the upper line comes first, in a line the left pixel.
///
///     PlaceCameras     where each camera is, and the robot's own shapes as it sees them
///     CastDepth        the clean picture
///     ReadDepth        what the sensor makes of it, and which of the last pictures the policy sees now
///
/// Frames are counted from the start of an episode: frame n is taken at control step n x `every`, and seen from the
/// time on at which frame n + `latency` is taken, or as many control steps later, up to `late`, as are drawn for the
/// episode. Before, frame 0 is seen.

#include <cstddef>

#include "kernels/physics/batch.hpp"
#include "kernels/random.hpp"
#include "kernels/sense/camera.hpp"
#include "kernels/sense/solids.hpp"

namespace stampede {

/// Neighbours whose depths differ by more are an edge [m].
inline constexpr float kEdgeDepth = 0.1f;

/// Which frame of an environment's episode is current.
struct FrameClock {
  const float* age;  ///< [env]: control steps into the episode
  int every;
  const std::uint32_t* steps;  ///< with `offset` added, control steps taken; null: all start, perhaps at random ages
  std::uint32_t offset;

  STAMPEDE_FN int frame(Index env) const { return static_cast<int>(age[env]) / every; }
  /// The newest frame that was taken `steps_before` control steps ago or earlier; 0 where there is none.
  STAMPEDE_FN int frame(Index env, int steps_before) const {
    const int since = static_cast<int>(age[env]) - steps_before;
    return since > 0 ? since / every : 0;
  }
  /// Whether the episode begins, so that there are no earlier frames.
  STAMPEDE_FN bool first(Index env) const { return steps == nullptr || age[env] == 0.0f; }
  STAMPEDE_FN bool due(Index env) const { return steps == nullptr || static_cast<int>(age[env]) % every == 0; }
  /// The control step that random numbers are keyed by; 0 is for the first pictures of all.
  STAMPEDE_FN std::uint32_t now() const { return steps != nullptr ? *steps + offset + 1 : 0u; }
  /// When the episode began: the same number in all of its steps, also of one that was begun at a random age.
  STAMPEDE_FN std::uint32_t began(Index env) const { return now() - static_cast<std::uint32_t>(age[env]); }
};

/// A camera in the world: the ray through a pixel's middle is `position` + t (forward + x left + y up).
struct CameraPose {
  Vec3<float> position, forward, left, up;
};

/// A solid as a camera sees it: the same ray in the solid's axes, from its centre.
struct SeenSolid {
  SolidShape shape;  ///< kNone: out of the picture
  CameraPose ray;
  Vec3<float> half;
};

/// What places a link, of a JointModel.
struct ChainJoint {
  Vec3<float> offset;
  Mat3<float> frame;
  float reference, slide;
};

/// Element i: environment i. Places its camera and its robot's solids, where a frame is due.
template <class Shape>
struct PlaceCameras {
  static constexpr int K = Shape::kGroup, J = Shape::kJoints;
  DepthCamera camera;
  FrameClock clock;
  RowsView<float> state;      ///< PhysicsState
  const ChainJoint* joint;    ///< [limbs][J]
  const Solid<float>* solid;  ///< [solids], those of a limb adjacent, link by link
  int solids;
  std::uint64_t seed;
  Index first_environment;
  CameraPose* pose;  ///< [env]
  SeenSolid* seen;   ///< [env][solids]

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    STAMPEDE_NO_UNROLL
    for (Index env = first; env < first + kLanes<Real>; ++env) {
      if (clock.due(env)) place(env);
    }
  }

 private:
  using State = PhysicsState<float, J>;
  STAMPEDE_FN float number(std::size_t offset, Index lane) const {
    return state.data[static_cast<Index>(offset / sizeof(float)) * state.stride + lane];
  }
  STAMPEDE_FN Vec3<float> vector(std::size_t offset, Index lane) const {
    constexpr std::size_t kFloat = sizeof(float);
    return {number(offset, lane), number(offset + kFloat, lane), number(offset + 2 * kFloat, lane)};
  }

  STAMPEDE_FN void place(Index env) const {
    const Index lane = env * K;
    const Vec3<float> turn = vector(offsetof(State, orientation) + sizeof(float), lane);
    const Mat3<float> base = Quat<float>{number(offsetof(State, orientation), lane), turn.x, turn.y, turn.z}.matrix();
    const Vec3<float> at = vector(offsetof(State, position), lane);
    const CameraPose own = mounted(env, at, base);
    pose[env] = own;
    Mat3<float> axes = base;
    Vec3<float> origin = at;
    int limb = -1, link = 0;
    STAMPEDE_NO_UNROLL
    for (int i = 0; i < solids; ++i) {
      const Solid<float>& one = solid[i];
      if (one.limb != limb || one.link < link) {
        axes = base, origin = at;
        limb = one.limb, link = 0;
      }
      for (; link < one.link; ++link)
        step_along(joint[limb * J + link], joint_position(link, lane + limb), axes, origin);
      seen[env * solids + i] = look_at(one, own, axes * one.axes, origin + axes * one.centre);
    }
  }

  STAMPEDE_FN float joint_position(int joint_of_limb, Index lane) const {
    return number(offsetof(State, q) + static_cast<std::size_t>(joint_of_limb) * sizeof(float), lane);
  }

  /// From a link's frame to that of the next.
  STAMPEDE_FN static void step_along(const ChainJoint& next, float q, Mat3<float>& axes, Vec3<float>& origin) {
    const float moved = q - next.reference;
    origin = origin + axes * next.offset;
    const Mat3<float> at_rest = axes * next.frame;
    float sine, cosine;
    sincos(next.slide > 0.5f ? 0.0f : moved, sine, cosine);
    axes = {at_rest.x * cosine + at_rest.y * sine, at_rest.y * cosine - at_rest.x * sine, at_rest.z};
    origin = origin + axes.z * (moved * next.slide);
  }

  /// The camera with the environment's own errors of mounting.
  STAMPEDE_FN CameraPose mounted(Index env, Vec3<float> at, const Mat3<float>& base) const {
    Vec3<float> place = camera.position;
    Mat3<float> axes = camera.axes;
    if (camera.position_error > 0.0f || camera.angle_error > 0.0f) {
      Random<float> random(seed, static_cast<std::uint32_t>(first_environment + env), 0, Purpose::kMounting);
      const auto draw = [&](float most) { return random.uniform(-most, most); };
      place =
          place + Vec3<float>{draw(camera.position_error), draw(camera.position_error), draw(camera.position_error)};
      // A rotation about the three axes by small angles, as a quaternion.
      const Vec3<float> half{0.5f * draw(camera.angle_error), 0.5f * draw(camera.angle_error),
                             0.5f * draw(camera.angle_error)};
      const float scale = 1.0f / sqrt(1.0f + dot(half, half));
      axes = axes * Quat<float>{scale, half.x * scale, half.y * scale, half.z * scale}.matrix();
    }
    const Mat3<float> turned = base * axes;
    return {at + base * place, turned.x, turned.y, turned.z};
  }

  STAMPEDE_FN SeenSolid look_at(const Solid<float>& one, const CameraPose& from, const Mat3<float>& axes,
                                Vec3<float> centre) const {
    const Vec3<float> to = centre - from.position;
    const float ahead = dot(to, from.forward), reach = one.reach();
    // Beyond one of the sides of the pyramid that the picture shows, by more than it reaches?
    const auto beside = [&](float across, float half_extent) {
      return abs(across) - ahead * half_extent > reach * sqrt(1.0f + half_extent * half_extent);
    };
    const bool out = ahead + reach < 0.0f || ahead - reach > camera.far ||
                     beside(dot(to, from.left), camera.half_width) || beside(dot(to, from.up), camera.half_height);
    return {out ? SolidShape::kNone : one.shape,
            {multiply_transposed(axes, -to), multiply_transposed(axes, from.forward),
             multiply_transposed(axes, from.left), multiply_transposed(axes, from.up)},
            one.half};
  }
};

/// Element i: (environment, pixel) of environments x pixels, a multiple of kMaxLanes. Draws the clean picture, where a
/// frame is due.
struct CastDepth {
  DepthCamera camera;
  FrameClock clock;
  SeenGround ground;
  const CameraPose* pose;
  const SeenSolid* seen;
  int solids;
  float* clean;  ///< [env][DepthCamera::row()]

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index env = first / camera.pixels();
    if (!clock.due(env)) return;
    // The pixels' numbers are small, so that floats divide them exactly enough.
    const Real number = to_real<Real>(as_signed(lane_indices<Real>(first - env * camera.pixels())));
    const Real line = to_real<Real>(to_int((number + Real(0.5f)) * Real(1.0f / static_cast<float>(camera.width))));
    const Real column = number - line * Real(static_cast<float>(camera.width));
    const Real left = middle(column, camera.width, camera.half_width);
    const Real up = middle(line, camera.height, camera.half_height);
    Real depth = ground.meet(ray_of(pose[env], left, up), Real(camera.far));
    const SeenSolid* one = seen + env * solids;
    STAMPEDE_NO_UNROLL
    for (int i = 0; i < solids; ++i, ++one) {
      if (one->shape != SolidShape::kNone) {
        depth = meet_solid(one->shape, ray_of(one->ray, left, up), one->half, depth);
      }
    }
    store(clean + env * camera.row() + first - env * camera.pixels(), depth);
  }

 private:
  /// How far a pixel's middle lies to the left, or up, at a depth of 1.
  template <class Real>
  STAMPEDE_FN static Real middle(Real index, int count, float half_extent) {
    const float pixel = 2.0f * half_extent / static_cast<float>(count);
    return (Real(0.5f * static_cast<float>(count) - 0.5f) - index) * Real(pixel);
  }
  template <class Real>
  STAMPEDE_FN static Ray<Real> ray_of(const CameraPose& from, Real left, Real up) {
    const Vec3<Real> sideways = from.left, upwards = from.up, forward = from.forward;
    return {from.position, forward + sideways * left + upwards * up};
  }
};

/// Element i: as in CastDepth. Where a frame is due, stores it as the sensor reads it; then writes the frame that is
/// seen now into the policy's observations, whose rows begin with the picture.
struct ReadDepth {
  DepthCamera camera;
  FrameClock clock;
  const float* clean;
  std::uint64_t seed;
  Index first_environment;
  float* frames;       ///< [env][DepthCamera::frames()][pixels]
  float* observation;  ///< [env][size]
  Index size;

  template <class Real>
  STAMPEDE_FN void operator()(Index first) const {
    const Index pixels = camera.pixels(), env = first / pixels, pixel = first - env * pixels;
    const int kept = camera.frames(), frame = clock.frame(env);
    float* const own = frames + env * kept * pixels + pixel;
    if (clock.due(env)) {
      const Real depth = read<Real>(first, env, pixel);
      if (clock.first(env)) {
        for (int i = 0; i < kept; ++i) store(own + i * pixels, depth);
      } else {
        store(own + frame % kept * pixels, depth);
      }
    }
    const int seen = clock.frame(env, camera.latency * camera.every + late(env));
    const Real depth = load<Real>(own + seen % kept * pixels);
    store(observation + env * size + pixel, depth);
  }

 private:
  /// By how many control steps the episode's frames come later.
  STAMPEDE_FN int late(Index env) const {
    if (camera.late == 0) return 0;
    Random<float> random(seed, static_cast<std::uint32_t>(first_environment + env), clock.began(env),
                         Purpose::kLatency);
    const int drawn = static_cast<int>(random.uniform() * static_cast<float>(camera.late + 1));
    return drawn < camera.late ? drawn : camera.late;
  }

  template <class Real>
  STAMPEDE_FN Real read(Index first, Index env, Index pixel) const {
    const float* from = clean + env * camera.row() + pixel;
    Real depth = load<Real>(from);
    Random<Real> random(seed, lane_indices<Real>(first_environment * camera.pixels() + first), clock.now(),
                        Purpose::kCamera);
    if (camera.edges > 0.0f) depth = mix_edges(depth, from, pixel, random);
    if (camera.noise > 0.0f) depth = depth + Real(camera.noise) * random.normal();
    depth = clamp(depth, Real(camera.near), Real(camera.far));
    if (camera.dropped > 0.0f) depth = select(random.uniform() < Real(camera.dropped), Real(camera.far), depth);
    return depth;
  }

  /// A pixel whose right neighbour is at quite another depth shows something between the two.
  template <class Real>
  STAMPEDE_FN Real mix_edges(Real depth, const float* from, Index pixel, Random<Real>& random) const {
    const Real number = to_real<Real>(as_signed(lane_indices<Real>(pixel + 1)));
    const Real lines = number * Real(1.0f / static_cast<float>(camera.width));
    const MaskOf<Real> last = abs(lines - round_nearest(lines)) < Real(0.25f / static_cast<float>(camera.width));
    const Real right = select(last, depth, load<Real>(from + 1));
    const Real drawn = random.uniform(), share = random.uniform();
    const MaskOf<Real> mixed = abs(right - depth) > Real(kEdgeDepth) && drawn < Real(camera.edges);
    return select(mixed, depth + share * (right - depth), depth);
  }
};

}  // namespace stampede
