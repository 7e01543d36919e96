/// \file Chooses the processor to run on, and loads its module.
#include "host/engine/loader.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>

#include "host/base/error.hpp"
#include "host/base/processors.hpp"
#include "host/base/suggest.hpp"
#include "host/engine/interface.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kInstructionSets = {"avx512", "avx2", "baseline"};  // the best first

bool processor_has(const std::string& instruction_set) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (instruction_set == "avx2") return avx2;
  if (instruction_set == "avx512") {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  }
#endif
  return instruction_set == "baseline";
}

std::vector<fs::path> module_folders() {
  if (const char* named = std::getenv("STAMPEDE_MODULES"); named != nullptr && *named != '\0') return {named};
  Dl_info info{};
  fs::path beside = ".";
  if (::dladdr(reinterpret_cast<const void*>(&probe_gpu), &info) != 0 && info.dli_fname != nullptr) {
    std::error_code code;
    const fs::path library = fs::canonical(info.dli_fname, code);
    if (!code) beside = library.parent_path();
  }
  return {beside / "modules", beside / "stampede"};
}

/// The module's file, or an empty path.
fs::path find_module(const std::string& name) {
  std::error_code code;
  for (const fs::path& folder : module_folders()) {
    const fs::path file = folder / ("libstampede-" + name + ".so");
    if (fs::exists(file, code)) return file;
  }
  return {};
}

std::string folders_text() {
  std::vector<std::string> names;
  for (const fs::path& folder : module_folders()) names.push_back(folder.string());
  return join(names);
}

DeviceChoice choose_cpu() {
  if (const char* forced = std::getenv("STAMPEDE_INSTRUCTION_SET"); forced != nullptr && *forced != '\0') {
    const std::string word = forced;
    if (std::find(kInstructionSets.begin(), kInstructionSets.end(), word) == kInstructionSets.end()) {
      throw Error("STAMPEDE_INSTRUCTION_SET: unknown instruction set '" + word + "'; " +
                  suggestion(word, kInstructionSets));
    }
    if (!processor_has(word)) {
      throw Error("STAMPEDE_INSTRUCTION_SET: this processor has no " + word + "; usable are " +
                  join(usable_instruction_sets()));
    }
    const fs::path module = find_module("cpu-" + word);
    if (module.empty()) {
      throw Error("STAMPEDE_INSTRUCTION_SET: libstampede-cpu-" + word + ".so is not in " + folders_text() +
                  "; usable are " + join(usable_instruction_sets()));
    }
    return {"cpu", word, module, ""};
  }
  for (const std::string& word : kInstructionSets) {
    if (!processor_has(word)) continue;
    const fs::path module = find_module("cpu-" + word);
    if (!module.empty()) return {"cpu", word, module, ""};
  }
  throw Error("no module libstampede-cpu-*.so for this processor in " + folders_text() +
              "; build the target `modules`, or name their folder in STAMPEDE_MODULES");
}

GpuProbe look_for_gpu(int gpu) {
  GpuProbe probe;
  void* driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) {
    probe.reason = "there is no NVIDIA driver (libcuda.so.1)";
    return probe;
  }
  // The driver's C functions, as cuda.h declares them; every one returns 0 where all went well.
  const auto init = reinterpret_cast<int (*)(unsigned)>(::dlsym(driver, "cuInit"));
  const auto count_of = reinterpret_cast<int (*)(int*)>(::dlsym(driver, "cuDeviceGetCount"));
  const auto get = reinterpret_cast<int (*)(int*, int)>(::dlsym(driver, "cuDeviceGet"));
  const auto name_of = reinterpret_cast<int (*)(char*, int, int)>(::dlsym(driver, "cuDeviceGetName"));
  const auto attribute = reinterpret_cast<int (*)(int*, int, int)>(::dlsym(driver, "cuDeviceGetAttribute"));
  if (!init || !count_of || !get || !name_of || !attribute) {
    probe.reason = "the NVIDIA driver (libcuda.so.1) lacks functions that every version has";
    return probe;
  }
  if (const int status = init(0); status != 0) {
    probe.reason = "the NVIDIA driver does not start (cuInit gives " + std::to_string(status) + ")";
    return probe;
  }
  if (count_of(&probe.count) != 0 || probe.count == 0) {
    probe.count = 0;
    probe.reason = "the NVIDIA driver finds no GPU";
    return probe;
  }
  if (gpu >= probe.count) return probe;
  int device = 0, major = 0, minor = 0;
  char name[256] = {};
  constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
  if (get(&device, gpu) != 0 || name_of(name, sizeof name, device) != 0 || attribute(&major, kMajor, device) != 0 ||
      attribute(&minor, kMinor, device) != 0) {
    probe.reason = "the NVIDIA driver does not describe GPU " + std::to_string(gpu);
    return probe;
  }
  probe.name = name;
  probe.architecture = "sm_" + std::to_string(major) + std::to_string(minor);
  if (major < 8) {
    probe.reason = "the GPU " + probe.name + " is an " + probe.architecture + "; sm_80 or newer is needed";
    return probe;
  }
  probe.usable = true;
  return probe;
}

/// What a launcher calls a process's rank and the number of processes.
struct LauncherVariables {
  const char *rank, *size;
};
constexpr LauncherVariables kLaunchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},  // Open MPI's mpirun
    {"PMI_RANK", "PMI_SIZE"},                          // MPICH's
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},          // srun; a batch script itself is no step, and trains alone
    {"RANK", "WORLD_SIZE"},                            // torchrun
};

/// The number that an environment variable holds; nothing where it is not set. Throws Error where it holds none.
std::optional<int> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return {};
  int number = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), number);
  if (error == std::errc() && *end == '\0' && number >= 0) return number;
  throw Error(std::string(variable) + ": is '" + text + "', not the number that a launcher sets");
}

/// The function that a module of this build exports under that name.
template <class Function>
Function* load(const fs::path& file, const char* name) {
  // Never closed: a module's code must outlive everything that it made.
  void* module = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    const char* reason = ::dlerror();
    throw Error("cannot load " + file.string() + ": " + (reason ? reason : "unknown reason") +
                "; build it again together with libstampede, or install the libraries that it needs");
  }
  const auto* interface = static_cast<const char*>(::dlsym(module, "stampede_interface"));
  if (interface == nullptr || std::string_view(interface) != STAMPEDE_ENGINE_INTERFACE) {
    throw Error(file.string() + ": was compiled with other headers than libstampede (interface " +
                (interface == nullptr ? "unknown" : "'" + std::string(interface) + "'") + " instead of '" +
                STAMPEDE_ENGINE_INTERFACE + "'); build both again");
  }
  void* function = ::dlsym(module, name);
  if (function == nullptr) {
    throw Error(file.string() + ": exports no " + name + "; build it again together with libstampede");
  }
  return reinterpret_cast<Function*>(function);
}

/// Why the module makes no engine, as one line; empty where it makes one.
std::string why_no_engine(const DeviceChoice& choice) {
  std::string reason;
  try {
    make_engine(choice, 1);
  } catch (const std::exception& error) {
    reason = error.what();
    if (reason.empty()) reason = "no engine can be made by " + choice.module.string();
    std::replace(reason.begin(), reason.end(), '\n', ' ');
  }
  return reason;
}

/// The N of "cuda:N". Throws Error where it is no number, or where each rank of a group takes a GPU of its own.
int number_of_gpu(const std::string& device, const RankGroup* group) {
  const std::string digits = device.substr(device.find(':') + 1);
  int gpu = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), gpu);
  if (error != std::errc() || end != digits.data() + digits.size() || gpu < 0) {
    throw Error("--device: '" + digits + "' in '" + device + "' is no number of a GPU; cuda:0 is the first one");
  }
  if (group != nullptr) {
    throw Error("--device " + device + ": of " + std::to_string(group->rank().world_size) +
                " ranks each takes a GPU of its own; --device cuda would be right");
  }
  return gpu;
}

/// The GPU of this process, which may be one of several ranks on its machine.
int gpu_of_rank(AskForGpu ask, const RankGroup* group) {
  return group == nullptr || ask(0).count == 1 ? 0 : group->local_index();
}

/// "1 GPU, cuda:0", or "4 GPUs, cuda:0 to cuda:3".
std::string names_of_gpus(int count) {
  if (count == 1) return "1 GPU, cuda:0";
  return std::to_string(count) + " GPUs, cuda:0 to cuda:" + std::to_string(count - 1);
}

/// Why the GPU is not used, as why_no_gpu() says; where there is one, but `why_cpu` is not empty, that. `numbered`:
/// whether the GPU was asked for by its number, and not by a rank's.
std::string why_no_gpu_for(AskForGpu ask, const std::string& why_cpu, int gpu = 0, bool numbered = false) {
  const fs::path module = find_module("cuda");
  if (module.empty()) return "this build has no CUDA module (libstampede-cuda.so)";
  const GpuProbe& probe = ask(gpu);
  if (gpu >= probe.count && probe.count > 0) {
    const std::string seen = "this process sees " + names_of_gpus(probe.count);
    if (numbered) return "there is no such GPU: " + seen + " (CUDA_VISIBLE_DEVICES may hide some)";
    return "rank " + std::to_string(gpu) + " of this machine has no GPU: " + seen +
           "; start at most one process for each";
  }
  if (!probe.usable) return probe.reason;
  if (!why_cpu.empty()) return why_cpu;  // before an engine is made, which takes longest
  return why_no_engine({"cuda", probe.architecture, module, "", gpu});
}

}  // namespace

const GpuProbe& probe_gpu(int gpu) {
  static std::mutex guard;
  static std::map<int, GpuProbe> probes;
  const std::scoped_lock lock(guard);
  const auto found = probes.find(gpu);
  return found != probes.end() ? found->second : probes.emplace(gpu, look_for_gpu(gpu)).first->second;
}

std::string why_no_gpu(AskForGpu ask) { return why_no_gpu_for(ask, ""); }

int available_cores() { return usable_processors(); }

std::vector<std::string> usable_instruction_sets() {
  std::vector<std::string> usable;
  for (const std::string& word : kInstructionSets) {
    if (processor_has(word) && !find_module("cpu-" + word).empty()) usable.push_back(word);
  }
  return usable;
}

DeviceChoice choose_device(const std::string& device, AskForGpu ask, const std::string& why_cpu,
                           const RankGroup* group) {
  const std::vector<std::string> words = {"auto", "cpu", "cuda"};
  const bool numbered = device.starts_with("cuda:");
  if (!numbered && std::find(words.begin(), words.end(), device) == words.end()) {
    throw Error("--device: unknown device '" + device + "'; known are " + join(words) + ", and cuda:N for GPU N");
  }
  if (device == "cpu") return choose_cpu();
  const int gpu = numbered ? number_of_gpu(device, group) : gpu_of_rank(ask, group);
  const std::string reason = why_no_gpu_for(ask, device == "auto" ? why_cpu : "", gpu, numbered);
  if (reason.empty()) return {"cuda", ask(gpu).architecture, find_module("cuda"), "", gpu};
  if (device != "auto") throw Error("--device " + device + ": " + reason + "; --device cpu runs on the processor");
  DeviceChoice choice = choose_cpu();
  choice.note = "running on the CPU: " + reason;
  return choice;
}

Processor processor_of(const Engine& engine) { return {engine.device(), engine.instruction_set(), engine.threads()}; }
Processor processor_of(const DeviceChoice& choice, int threads) {
  return {choice.device, choice.instruction_set, threads > 0 ? threads : available_cores()};
}

std::unique_ptr<Engine> make_engine(const DeviceChoice& choice, int threads) {
  return std::unique_ptr<Engine>(load<MakeEngine>(choice.module, "stampede_engine")(threads, choice.gpu));
}

LaunchedRank launched_rank() {
  for (const LauncherVariables& launcher : kLaunchers) {
    const std::optional<int> size = number_in(launcher.size);
    if (!size || *size <= 1) continue;
    const std::optional<int> rank = number_in(launcher.rank);
    if (!rank || *rank >= *size) {
      throw Error(std::string(launcher.rank) + ": is " + (rank ? std::to_string(*rank) : "not set") + ", but " +
                  launcher.size + " says that there are " + std::to_string(*size) +
                  " processes; unset both to train in one process");
    }
    return {{*rank, *size}, launcher.size};
  }
  return {};
}

std::unique_ptr<RankGroup> join_ranks() {
  const LaunchedRank launched = launched_rank();
  if (launched.rank.world_size == 1) return nullptr;
  const fs::path module = find_module("mpi");
  if (module.empty()) {
    throw Error(launched.variable + " says that " + std::to_string(launched.rank.world_size) +
                " processes train together, but the MPI module, libstampede-mpi.so, is not in " + folders_text() +
                "; install MPI (Debian: libopenmpi-dev) and build again, or start one process");
  }
  return std::unique_ptr<RankGroup>(load<MakeRankGroup>(module, "stampede_rank_group")(launched));
}

std::unique_ptr<Simulation> make_double_simulation(int threads, const SimulationRequest& request) {
  const fs::path module = find_module("double");
  if (module.empty()) {
    throw Error("physics in double precision is a module of its own, libstampede-double.so, and is not in " +
                folders_text() + "; `cmake --build build/release --target double_precision` builds it");
  }
  return std::unique_ptr<Simulation>(load<MakeSimulation>(module, "stampede_double_simulation")(threads, request));
}

std::unique_ptr<Engine> make_engine(const std::string& device, int threads) {
  return make_engine(choose_device(device), threads);
}

}  // namespace stampede
