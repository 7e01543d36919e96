/// \file What a GPU's warps decide: robots stepped on a CPU by packs of 32 lanes, each of which is a warp.
///
///     emulate_warps ROBOT SCENE... > output
///
/// All that decides which way a warp goes are its votes (`any_together`) and numbers that are the same for all robots.
/// So packs as wide as a warp, which vote on the same lanes, say what the GPU's kernel would do, and nothing of the
/// kernels has to be changed for it: an overload of `any_together`, chosen for packs of this width, notes each vote.
///
/// Output: a line of JSON for each scene of `stampede bench physics`, with 256 robots. `places` lists where votes are
/// taken. `launches` has a string for each control step, of `steps` steps, and in it each of `warps`: a letter for each
/// vote, in order, the place's in the alphabet, upper case where it was won. `parameters` are the bytes of the CUDA
/// kernel's argument in the benchmark, `training_parameters` those in training, with `kinds_at` and other addresses for
/// pointers; `kinds` are the bytes that lie there.

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "kernels/lanes.hpp"

namespace stampede::detail {

/// The four numbers from p[i] on. What terrain.hpp has for packs is for those that a processor has.
inline void read_four(const float* p, Pack<std::int32_t, 32> i, Pack<float, 32> (&four)[4]) {
  for (int lane = 0; lane < 32; ++lane) {
    for (int k = 0; k < 4; ++k) four[k].set(lane, p[i[lane] + k]);
  }
}

}  // namespace stampede::detail

#include "host/base/error.hpp"
#include "host/cpu/backend.hpp"
#include "host/model/robot/load.hpp"
#include "host/peers/measure.hpp"
#include "host/simulate/batch_simulation.hpp"

namespace stampede {

using Warp = Pack<float, 32>;

namespace votes {

struct Place {
  const char *file, *function;
  int line;
  double votes = 0, won = 0, lanes = 0;  ///< how many, of these won, and for them the lanes in favour
};
std::vector<Place> places;
std::vector<std::string> launches;

void note(bool won, int lanes, const char* file, int line, const char* function) {
  std::size_t at = 0;
  while (at < places.size() && (places[at].line != line || std::strcmp(places[at].file, file) != 0)) ++at;
  if (at == places.size()) places.push_back({file, function, line});
  if (at == 26) throw Error("there are more places for votes than letters");
  places[at].votes += 1;
  places[at].won += won ? 1 : 0;
  places[at].lanes += lanes;
  if (!launches.empty()) launches.back() += static_cast<char>((won ? 'A' : 'a') + static_cast<int>(at));
}

}  // namespace votes

/// Preferred to the one for all widths, as it is no template.
inline bool any_together(Mask<32> mask, const char* file = __builtin_FILE(), int line = __builtin_LINE(),
                         const char* function = __builtin_FUNCTION()) {
  int lanes = 0;
  for (int lane = 0; lane < 32; ++lane) lanes += mask.v[lane] != 0 ? 1 : 0;
  votes::note(lanes > 0, lanes, file, line, function);
  return lanes > 0;
}

namespace {

using Shape = RobotShape<4, 3>;
#if defined(STAMPEDE_WARPS_ON_TERRAIN)
using Ground = RoughGround<float>;
#else
using Ground = FlatGround<float>;
#endif

/// The robot's ground; `map` is where the numbers of its map lie.
Ground ground_of(const RobotModel& robot, [[maybe_unused]] const float* map) {
  const PlaneGround& plane = robot.plane;
#if defined(STAMPEDE_WARPS_ON_TERRAIN)
  if (robot.map == nullptr) throw Error("the ground is level");
  const auto vec = [](const Vec3<double>& v) {
    return Vec3<float>{static_cast<float>(v.x), static_cast<float>(v.y), static_cast<float>(v.z)};
  };
  return {plane.present, robot.map->rows > 0, vec(plane.point), vec(plane.normal), robot.map->view(map)};
#else
  if (!plane.present || plane.normal.z < 1 || robot.map != nullptr) throw Error("the ground is not level");
  return {static_cast<float>(plane.point.z)};
#endif
}

/// A CPU on which a launch goes from warp to warp, and each warp through all steps before the next.
class WarpBackend : public CpuBackend {
 public:
  WarpBackend() : CpuBackend(1) {}

  struct Context {
    template <class Kernel>
    void launch(Range range, const Kernel& kernel) const {
      // The benchmark's launch without steps comes before those that it times.
      if (kernel.steps == 0) {
        votes::places.clear();
        votes::launches.clear();
      }
      for (Index lane = range.begin; lane < range.end; lane += kLanes<Warp>) {
        if (kernel.steps > 0) votes::launches.emplace_back();
        kernel.template operator()<Warp>(lane);
      }
      if (kernel.steps == 0) votes::places.clear();
    }
  };
  template <class Body>
  void for_tiles(Index n, const Body& body, Index) {
    body(Context{}, Range{0, n});
  }
};

/// An engine that simulates and does nothing else.
class WarpEngine final : public Engine {
 public:
  std::string device() const override { return "warps"; }
  std::string instruction_set() const override { return STAMPEDE_INSTRUCTION_SET; }
  std::string description() const override { return device(); }
  int threads() const override { return 1; }
  void join(RankGroup&) override {}
  std::unique_ptr<Stage> make_trainer(const TrainingRequest&) override { return nullptr; }
  Evaluation evaluate(const EvaluationRequest&, const Policy&) override { return {}; }
  EnvironmentBenchmark bench_environment(const BenchmarkRequest&) override { return {}; }
  std::unique_ptr<VectorEnvironment> make_environment(const EnvironmentRequest&) override { return nullptr; }
  std::unique_ptr<StandalonePolicy> make_policy(const Policy&, int) override { return nullptr; }
  double fma_peak_gflops() override { return 0; }
  std::unique_ptr<Simulation> make_simulation(const SimulationRequest& request) override {
    return std::make_unique<BatchSimulation<WarpBackend, Shape, Ground, Warp>>(
        std::make_unique<WarpBackend>(), nullptr, request, ground_of(*request.robot, nullptr));
  }
};

std::string hex(const void* data, std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    char byte[3];
    std::snprintf(byte, sizeof byte, "%02x", static_cast<const unsigned char*>(data)[i]);
    text += byte;
  }
  return text;
}

constexpr std::uintptr_t kKindsAt = 0x10000000;

/// The argument of the CUDA kernel in a launch of `bench physics`: neither delays nor records nor reports. Training has
/// delays and records; no vote depends on them, except that a delayed control moves a robot otherwise.
std::string parameters(const RobotModel& robot, int steps, bool training) {
  using Kernel = StepPhysics<Shape, Ground, float>;
  Kernel kernel;
  std::memset(static_cast<void*>(&kernel), 0, sizeof kernel);
  kernel.model.options = convert<float>(robot.options);
  const auto at = [](std::uintptr_t address) { return reinterpret_cast<float*>(address); };
  kernel.model.kind = reinterpret_cast<const ContactKind*>(kKindsAt);
  kernel.state = {at(0x20000000), 4096};
  kernel.variation = {at(0x30000000), 4096};
  kernel.control = {at(0x40000000), 4096};
  kernel.counts = {at(0x50000000), 4096};
  if (training) {
    kernel.delayed = {at(0x70000000), 4096};
    kernel.record = {at(0x78000000), 4096};
  }
  kernel.steps = steps;
  kernel.ground = ground_of(robot, at(0x60000000));
  return hex(&kernel, sizeof kernel);
}

void print_scene(const std::string& name, const std::string& scene) {
  LoadOptions options;
  options.timestep = 0.005;
  if ((scene == "terrain") == Ground::kFlat) {
    throw Error("emulate_warps has all scenes but terrain, and emulate_warps_on_terrain that one");
  }
  if constexpr (!Ground::kFlat) {
    // As `stampede bench physics --scene terrain`.
    TerrainSettings terrain;
    terrain.levels = 4;
    terrain.border = 2;
    terrain.seed = 1;
    options.terrain = with_kinds(terrain, "all");
  }
  const CompiledRobot compiled = load_robot(name, options);
  const RobotModel& robot = compiled.robot;
  if (robot.size.limbs != 4 || robot.size.joints != 3) throw Error(name + " is no quadruped with three joints a limb");
  if (robot.options.pyramidal) throw Error(name + " has pyramidal cones, which have no kernel for level ground");
  WarpEngine engine;
  PhysicsBenchmarkRequest request;
  request.scene = scene;
  request.num_envs = 256;
  request.repetitions = 1;
  const PhysicsBenchmark result = measure_physics(engine, robot, compiled.model.get(), request);

  const std::int64_t warps = request.num_envs * Shape::kGroup / kLanes<Warp>;
  const auto steps =
      static_cast<int>(result.steps / request.num_envs * warps / static_cast<std::int64_t>(votes::launches.size()));
  std::printf(R"({"robot": "%s", "scene": "%s", "contacts": %.4f, "iterations": %.4f, "warps": %d, "steps": %d, )",
              robot.name.c_str(), scene.c_str(), result.contacts_mean, result.iterations_mean, static_cast<int>(warps),
              steps);
  std::printf(R"("timestep": %.9g)", static_cast<double>(robot.options.timestep));
  std::printf(R"(, "parameters": "%s", "training_parameters": "%s", "kinds_at": %llu, "kinds": "%s", "places": [)",
              parameters(robot, steps, false).c_str(), parameters(robot, steps, true).c_str(),
              static_cast<unsigned long long>(kKindsAt),
              hex(robot.kind.data(), robot.kind.size() * sizeof(ContactKind)).c_str());
  for (std::size_t i = 0; i < votes::places.size(); ++i) {
    const votes::Place& place = votes::places[i];
    std::printf(R"(%s{"file": "%s", "line": %d, "function": "%s", "votes": %.0f, "won": %.0f, "lanes": %.0f})",
                i == 0 ? "" : ", ", std::strrchr(place.file, '/') + 1, place.line, place.function, place.votes,
                place.won, place.lanes);
  }
  std::printf("], \"launches\": [");
  for (std::size_t i = 0; i < votes::launches.size(); ++i) {
    std::printf("%s\"%s\"", i == 0 ? "" : ", ", votes::launches[i].c_str());
  }
  std::printf("]}\n");
}

}  // namespace
}  // namespace stampede

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: emulate_warps ROBOT SCENE...\n");
    return 2;
  }
  try {
    for (int i = 2; i < argc; ++i) stampede::print_scene(argv[1], argv[i]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "emulate_warps: error: %s\n", error.what());
    return 2;
  }
  return 0;
}
