/// \file Computes a formula on given signals, for comparisons with NumPy.
///
///     dump_formulas FORMULA COUNT < input > output
///
/// Of COUNT robots with four limbs of three joints, called FL_hip_joint, FL_thigh_joint, FL_calf_joint, FR_... RL_...
/// RR_... . Input, float32: command_x, command_y and command_yaw [3][COUNT], foot_force [COUNT][4], joint_velocity
/// [COUNT][12], scan_height [COUNT][10]. Output, float32: a number for each robot, or for each of its feet or joints.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "host/base/error.hpp"
#include "host/task/formula.hpp"

namespace stampede {
namespace {

using Real = Pack<float, STAMPEDE_PACK_WIDTH>;
constexpr int K = 4, J = 3, kPoints = 10;

FormulaBody body() {
  FormulaBody made;
  made.lanes = K;
  made.joints_a_limb = J;
  made.points = kPoints;
  for (const char* limb : {"FL", "FR", "RL", "RR"}) {
    int place = 0;
    for (const char* joint : {"_hip_joint", "_thigh_joint", "_calf_joint"}) {
      made.joints.push_back({std::string(limb) + joint, static_cast<int>(made.limbs.size()), place++});
    }
    made.limbs.push_back(std::string(limb) + "_hip_joint");
  }
  return made;
}

int run(const std::string& text, Index count) {
  const FormulaBody robot = body();
  std::vector<LimbTable<float>> masks;
  FormulaCompiler compiler(robot, 0, masks);
  const FormulaValue value = compiler.compile(text, "formula", {});
  for (std::size_t i = 0; i < value.node.size(); ++i) {
    if (value.node[i] >= 0) compiler.result(FormulaOp::kKeep, value.node[i], static_cast<int>(i), 0, 0, 0);
  }
  const std::vector<FormulaStep> steps = compiler.finish("formula");

  const Index stride = padded(count), lanes = stride * K;
  std::vector<float> given(static_cast<std::size_t>(count * (3 + K + K * J + kPoints)));
  if (std::fread(given.data(), sizeof(float), given.size(), stdin) != given.size()) {
    throw Error("the input is too short");
  }
  // Each signal as lanes have it; of points that are not there NaN.
  std::vector<std::vector<float>> signal(kSignalCount * J);
  const auto lay = [&](Signal which, int joint, const auto& of_lane) {
    std::vector<float>& to = signal[static_cast<std::size_t>(static_cast<int>(which) * J + joint)];
    for (Index lane = 0; lane < lanes; ++lane) {
      const Index place = lane / K < count ? of_lane(lane / K, lane % K) : -1;
      to.push_back(place >= 0 ? given[static_cast<std::size_t>(place)] : NAN);
    }
  };
  const Signal commands[] = {Signal::kCommandX, Signal::kCommandY, Signal::kCommandYaw};
  for (int i = 0; i < 3; ++i) lay(commands[i], 0, [&](Index env, Index) { return i * count + env; });
  lay(Signal::kFootForce, 0, [&](Index env, Index limb) { return 3 * count + env * K + limb; });
  for (int joint = 0; joint < J; ++joint) {
    lay(Signal::kJointVelocity, joint,
        [&](Index env, Index limb) { return (3 + K) * count + env * K * J + limb * J + joint; });
  }
  static_assert((kPoints + K - 1) / K == J, "turns take the places of joints");
  for (int turn = 0; turn < J; ++turn) {
    lay(Signal::kScanHeight, turn, [&](Index env, Index limb) {
      const Index point = turn * K + limb;
      return point < kPoints ? (3 + K + K * J) * count + env * kPoints + point : -1;
    });
  }
  std::vector<float> kept(static_cast<std::size_t>(J * lanes), 0.0f);
  const FormulaTables tables{masks.data(), nullptr, kept.data(), lanes};
  for (Index lane = 0; lane < lanes; lane += kLanes<Real>) {
    Random<Real> random(1, lane_indices<Real>(lane), 0, Purpose::kFormula);
    const auto read = [&](int which, int joint) {
      const std::vector<float>& from = signal[static_cast<std::size_t>(which * J + joint)];
      if (from.empty()) {
        std::fprintf(stderr, "dump_formulas: a signal that is not given\n");
        std::exit(2);
      }
      return load<Real>(from.data() + lane);
    };
    interpret<K>({steps.data(), static_cast<int>(steps.size())}, tables, lane, random, read,
                 [&](const FormulaStep& step, Real a, Real) { store(tables.row(step.b, lane), a); });
  }
  for (Index env = 0; env < count; ++env) {
    const auto put = [&](Index limb, Index place) {
      const float x = kept[static_cast<std::size_t>(place * lanes + env * K + limb)];
      std::fwrite(&x, sizeof x, 1, stdout);
    };
    if (value.per == Per::kBase) put(0, 0);
    for (std::size_t i = 0; i < value.chosen.size(); ++i) {
      if (!value.chosen[i]) continue;
      if (value.per == Per::kLimb) put(static_cast<Index>(i), 0);
      if (value.per == Per::kJoint) put(robot.joints[i].limb, robot.joints[i].place);
    }
  }
  return 0;
}

}  // namespace
}  // namespace stampede

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: dump_formulas FORMULA COUNT\n");
    return 2;
  }
  try {
    return stampede::run(argv[1], std::atoll(argv[2]));
  } catch (const stampede::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
