/// \file Robots step to the same bits in packs of every width; where operations may be contracted, nearly so.
///
/// The robots are made of numbers here: no file, no MuJoCo, nothing that is not compiled for this instruction set.

#include <array>
#include <cstdint>

#include "host/model/robot/pose.hpp"
#include "host/simulate/lane_model.hpp"
#include "kernels/physics/batch.hpp"
#include "tests/kernels/testing.hpp"

namespace stampede::testing {
namespace {

constexpr int kEnvs = 28, kSteps = 60;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Softness<double> soft(double timeconst, double power) {
  const double d0 = 0.9, d1 = 0.95;
  return {1 / (d1 * d1 * timeconst * timeconst), 2 / (d1 * timeconst), 1 - d1, d1 - d0, 1 / 0.002, 0.5, power};
}

/// Where nothing is: as robot_model.cpp has it.
JointModel<double> no_joint() {
  JointModel<double> joint{};
  joint.frame = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  joint.armature = 1;
  joint.low = joint.control_low = joint.force_low = -1e30;
  joint.high = joint.control_high = joint.force_high = 1e30;
  joint.limit_weight = 1;
  joint.limit = {0, 0, 0.5, 0, 0, 0.5, 2};
  return joint;
}

/// A joint about `axis`, with everything that a joint may have.
JointModel<double> hinge(Vec3<double> offset, Vec3<double> axis, double mass, double length, double low, double high,
                         double home) {
  JointModel<double> joint = no_joint();
  joint.offset = offset;
  joint.frame = axes_about(axis * (1 / stampede::length(axis)));
  // The link hangs down from its anchor, whatever way the frame is turned.
  joint.mass = mass;
  joint.centre = multiply_transposed(joint.frame, Vec3<double>{0.004, 0.01, -0.5 * length});
  const double across = mass * length * length / 10;
  joint.inertia = rotate(transposed(joint.frame), Sym3<double>{across, 1e-5, -2e-5, 1.1 * across, 1e-5, 0.2 * across});
  joint.armature = 0.01;
  joint.damping = 0.1;
  joint.spring = 0.3;
  joint.spring_rest = home;
  joint.friction_loss = 0.2;
  joint.friction_stiffness = 4;
  joint.friction_damping = 100;
  joint.low = low, joint.high = high;
  joint.limit_weight = 12;
  joint.limit = soft(0.02, 2);
  joint.servo = 35;
  joint.velocity_gain = -0.5;
  joint.force_low = -24, joint.force_high = 24;
  return joint;
}

struct Candidate {
  ContactKind kind;
  std::vector<ContactModel<double>> lane;  ///< [limbs]
};

struct Description {
  PhysicsOptions<double> options{};
  BaseModel<double> base{};
  std::vector<std::array<JointModel<double>, 3>> limb;
  std::vector<Candidate> candidate;
};

/// Limbs in two rows under a trunk.
Description describe(int limbs, bool pyramidal, double impratio) {
  Description d;
  d.options.timestep = 0.004;
  d.options.impratio = impratio;
  d.options.tolerance = 1e-6;
  d.options.line_search_tolerance = 0.1;
  d.options.max_iterations = 20;
  d.options.max_line_search = 12;
  d.options.floating = d.options.springs = d.options.limits = d.options.limits_square = true;
  d.options.implicit_damping = true;
  d.options.pyramidal = pyramidal;
  d.options.slots = 8;
  d.options.fixed_orientation = {1, 0, 0, 0};
  d.base = {7, {0.02, 0.003, -0.005}, {0.03, 1e-4, 2e-4, 0.09, -1e-4, 0.1}};
  const auto mirrored = [](int l) { return l % 2 == 0 ? 1.0 : -1.0; };
  const Vec3<double> thigh_axis{0, 1, 0.02}, knee_axis{0, 1, 0};
  for (int l = 0; l < limbs; ++l) {
    const double side = mirrored(l);
    const Vec3<double> root{0.2 - 0.4 * (l / 2) / (limbs / 2 - 1), 0.05 * side, 0.01};
    std::array<JointModel<double>, 3> joints;
    joints[0] = hinge(root, {1, 0.05, 0}, 0.7, 0.05, -0.8, 0.8, 0);
    // Frames are given in the frame before, at its reference position.
    const auto in = [](const JointModel<double>& before, JointModel<double> joint) {
      joint.offset = multiply_transposed(before.frame, joint.offset);
      return joint;
    };
    joints[1] = in(joints[0], hinge({0.01, 0.09 * side, 0}, thigh_axis, 1.1, 0.21, -1.5, 2.5, 0.7));
    joints[2] = in(joints[1], hinge({0, 0, -0.21}, knee_axis, 0.2, 0.21, -2.7, -0.6, -1.4));
    for (int i = 2; i > 0; --i) {
      joints[at(i)].frame = transposed(joints[at(i - 1)].frame) * joints[at(i)].frame;
    }
    d.limb.push_back(joints);
  }
  const auto add = [&](ContactShape shape, int link, Vec3<double> point, Vec3<double> axis, double radius,
                       double half_length, double power) {
    Candidate c;
    c.kind = {shape, link, power == 2, false, 1};
    for (int l = 0; l < limbs; ++l) {
      ContactModel<double> m{};
      const double side = mirrored(l);
      m.point = {point.x, point.y * side, point.z};
      if (link > 0) {
        // Link frames as the joints have them, at the reference position.
        Mat3<double> frame = d.limb[at(l)][0].frame;
        for (int i = 1; i < link; ++i) frame = frame * d.limb[at(l)][at(i)].frame;
        m.point = multiply_transposed(frame, m.point);
      }
      m.axis = axis;
      m.radius = radius;
      m.half_length = half_length;
      m.margin = 0.001;
      m.reach = stampede::length(point) + radius + half_length + 0.002;
      m.friction = 0.8;
      m.weight = 2;
      m.softness = soft(0.02, power);
      c.lane.push_back(m);
    }
    d.candidate.push_back(c);
  };
  add(ContactShape::kPoint, 3, {0, 0, -0.21}, {0, 0, 0}, 0.02, 0, 2);
  add(ContactShape::kPoint, 2, {0, 0.01, -0.2}, {0, 0, 0}, 0.025, 0, 3);
  add(ContactShape::kCorner, 0, {0.19, 0.06, -0.06}, {0.19, 0.06, -0.06}, 0, 0, 2);
  add(ContactShape::kCylinder, 0, {-0.1, 0.02, 0.05}, {0, 0.6, 0.8}, 0.04, 0.05, 2);
  d.options.candidates = static_cast<int>(d.candidate.size());
  return d;
}

/// Rows of lanes, as a simulation has them.
template <class Struct>
struct Rows {
  static constexpr int kCount = kRows<Struct, float>;
  Index lanes;
  std::vector<float> numbers;
  explicit Rows(Index n) : lanes(n), numbers(at(kCount) * at(n), 0.0f) {}
  RowsView<float> view() { return {numbers.data(), lanes}; }
};

/// The states after `kSteps` steps from starts in the air, at slants, that fall and are driven, and what was recorded and
/// counted. `alone`: each pack to its end by itself, as a GPU's lanes do.
template <class Shape, class Ground, class Real>
std::vector<float> run(const Description& d, const Ground& ground, float& contacts, bool alone = false) {
  constexpr int J = Shape::kJoints, kGroup = Shape::kGroup;
  using Model = PhysicsModel<Shape, Real>;
  using Constant = ContactModel<typename Model::Constant>;
  std::vector<typename Model::Limb> limb(1);
  std::vector<ContactKind> kind;
  std::vector<Constant> contact(d.candidate.size());
  ContactModel<double> nothing{};
  nothing.radius = nothing.reach = -1e6;
  nothing.weight = 1;
  nothing.softness = {0, 0, 0.5, 0, 0, 0.5, 2};
  for (int l = 0; l < kGroup; ++l) {
    const bool there = l < Shape::kLimbs;
    widen_into<float>(limb[0].base, d.base, l);
    for (int i = 0; i < J; ++i) widen_into<float>(limb[0].joint[i], there ? d.limb[at(l)][at(i)] : no_joint(), l);
    for (std::size_t k = 0; k < d.candidate.size(); ++k) {
      widen_into<float>(contact[k], there ? d.candidate[k].lane[at(l)] : nothing, l);
    }
  }
  for (const Candidate& c : d.candidate) kind.push_back(c.kind);

  constexpr Index kLaneCount = kEnvs * kGroup, kPadded = (kLaneCount + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
  Rows<PhysicsState<float, J>> state(kPadded);
  Rows<PhysicsVariation<float, J>> variation(kPadded);
  Rows<Array<float, J>> control(kPadded);
  Rows<PhysicsCounts<float>> counts(kPadded);
  Rows<PhysicsRecord<float, J>> record(kPadded);
  std::mt19937 generator(7);
  const auto uniform = [&](float low, float high) {
    return low + (high - low) * static_cast<float>(generator() >> 8) * 0x1.0p-24f;
  };
  for (Index lane = 0; lane < kPadded; lane += kGroup) {
    PhysicsState<float, J> s{};
    s.position = {uniform(-1, 1), uniform(-1, 1), uniform(0.25f, 0.5f)};
    const Quat<double> q = [&] {
      const double x[4] = {1, static_cast<double>(uniform(-1, 1)), static_cast<double>(uniform(-1, 1)),
                           static_cast<double>(uniform(-1, 1))};
      return quaternion_at(x);
    }();
    s.orientation = {static_cast<float>(q.w), static_cast<float>(q.x), static_cast<float>(q.y),
                     static_cast<float>(q.z)};
    s.velocity = {uniform(-1, 1), uniform(-1, 1), uniform(-2, 0)};
    s.spin = {uniform(-2, 2), uniform(-2, 2), uniform(-2, 2)};
    PhysicsVariation<float, J> v = no_variation<float, J>({0.1f, 0.2f, -9.81f});
    v.friction = uniform(0.5f, 1.2f);
    v.base_mass = uniform(0.9f, 1.2f);
    v.push_force = {uniform(-5, 5), uniform(-5, 5), uniform(-5, 5)};
    for (int l = 0; l < kGroup; ++l) {
      Array<float, J> u{};
      const bool there = l < Shape::kLimbs;
      const float home[3] = {0, 0.7f, -1.4f};
      for (int i = 0; i < J && there; ++i) {
        s.q[i] = home[i] + uniform(-0.5f, 0.5f);
        s.v[i] = uniform(-2, 2);
        u[i] = home[i] + uniform(-0.5f, 0.5f);
      }
      for (int i = 0; i < J && !there; ++i) s.q[i] = s.v[i] = 0;
      write_rows<float>(state.view(), lane + l, s);
      write_rows<float>(variation.view(), lane + l, v);
      write_rows<float>(control.view(), lane + l, u);
    }
  }
  StepPhysics<Shape, Ground, Real> kernel{};
  kernel.model = {convert<float>(d.options), limb.data(), kind.data(), contact.data()};
  kernel.ground = ground;
  kernel.state = state.view();
  kernel.variation = variation.view();
  kernel.control = control.view();
  kernel.counts = counts.view();
  kernel.report = {nullptr, kPadded};
  kernel.record = record.view();
  kernel.steps = kSteps;
  if (alone) {
    for (Index lane = 0; lane < kPadded; lane += kLanes<Real>) kernel.template operator()<Real>(lane);
  } else {
    kernel(Range{0, kPadded});
  }

  contacts = 0;
  std::vector<float> ends;
  for (Index lane = 0; lane < kLaneCount; ++lane) {
    const auto count = read_rows<PhysicsCounts<float>, float>(counts.view(), lane);
    contacts += count.contacts;
    EXPECT_EQ(count.held, 0.0f);
    for (int r = 0; r < Rows<PhysicsState<float, J>>::kCount; ++r) {
      // A zero has no sign here: the compiler may drop it.
      const float x = state.numbers[at(r) * at(kPadded) + at(lane)];
      ends.push_back(x == 0.0f ? 0.0f : x);
    }
    ends.push_back(count.iterations);
    ends.push_back(count.contacts);
    const auto recorded = read_rows<PhysicsRecord<float, J>, float>(record.view(), lane);
    for (const float force : recorded.force.values) ends.push_back(force);
    for (const float torque : recorded.torque.values) ends.push_back(torque);
    ends.push_back(recorded.touches);
  }
  return ends;
}

std::uint64_t hash_of(const std::vector<float>& numbers) {  // FNV-1a
  std::uint64_t hash = 14695981039346656037u;
  for (const float x : numbers) {
    for (int byte = 0; byte < 4; ++byte) {
      hash = (hash ^ ((word_of(x) >> (8 * byte)) & 0xffu)) * 1099511628211u;
    }
  }
  return hash;
}

/// Two widths' results: the same bits in the parity build. Elsewhere a step's rounding grows in what follows, so that
/// most are near and none far.
void expect_same(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  if (kParity) {
    EXPECT_TRUE(same_bits(a, b, static_cast<Index>(a.size())));
    return;
  }
  std::vector<double> apart;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])) /
                     std::max(1.0, std::fabs(static_cast<double>(b[i])));
    apart.push_back(std::isfinite(d) ? d : HUGE_VAL);
  }
  std::sort(apart.begin(), apart.end());
  EXPECT_LE(apart[apart.size() / 2], 1e-4);
  EXPECT_LE(apart[apart.size() * 9 / 10], 1e-2);
}

/// In packs of as many lanes as a group has, of 8, and of 16 where the instruction set has them: what modules use.
/// `golden` is the parity build's hash, the same on every instruction set.
template <class Shape, class Ground>
void expect_same_in_all_widths(const Description& d, const Ground& ground, std::uint64_t golden) {
  constexpr int kGroup = Shape::kGroup;
  std::vector<std::vector<float>> ends;
  const auto take = [&]<int Width>() {
    float contacts = 0;
    ends.push_back(run<Shape, Ground, Pack<float, Width>>(d, ground, contacts));
    EXPECT_GT(contacts, static_cast<float>(kEnvs * kSteps) / 4) << "hardly anything touched";
  };
  take.template operator()<kGroup>();
  if constexpr (kParity && kGroup < 8 && Ground::kFlat) take.template operator()<8>();
#if STAMPEDE_PACK_WIDTH >= 16
  take.template operator()<16>();
#endif
  for (std::size_t i = 1; i < ends.size(); ++i) expect_same(ends[i], ends[0]);
  const std::uint64_t hash = kParity ? hash_of(ends[0]) : golden;
  EXPECT_EQ(hash, golden) << std::hex << "0x" << hash;
}

TEST(PhysicsWidths, StragglersGiveTheBitsOfPacksThatWait) {
  using Shape = RobotShape<4, 3>;
  const Description d = describe(4, false, 1);
  const FlatGround<float> ground{0.01f};
  float contacts = 0;
  expect_same(run<Shape, FlatGround<float>, Widest>(d, ground, contacts),
              run<Shape, FlatGround<float>, Widest>(d, ground, contacts, true));
}

TEST(PhysicsWidths, FourLimbsOnLevelGround) {
  expect_same_in_all_widths<RobotShape<4, 3>>(describe(4, false, 1), FlatGround<float>{0.01f}, 0x7e8b1c2692378640u);
}

TEST(PhysicsWidths, FourLimbsOnASlopeWithPyramids) {
  const RoughGround<float> ground{true, false, {0, 0, 0.01f}, {0.0998334f, 0, 0.9950042f}, {}};
  expect_same_in_all_widths<RobotShape<4, 3>>(describe(4, true, 10), ground, 0x7cddb5969de38d28u);
}

TEST(PhysicsWidths, SixLimbsInGroupsOfEight) {
  expect_same_in_all_widths<RobotShape<6, 3>>(describe(6, false, 10), FlatGround<float>{0.01f}, 0xaea9c55f904c8361u);
}

}  // namespace
}  // namespace stampede::testing
