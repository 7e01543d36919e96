#include "host/engine/loader.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/base/files.hpp"
#include "host/engine/interface.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

/// Sets an environment variable while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) before_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~Variable() {
    if (before_) {
      ::setenv(name_, before_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(Loader, UnknownWordsAreRefused) {
  expect_parts(error_of([] { choose_device("gpu"); }), {"--device", "'gpu'", "auto, cpu and cuda"});
  const Variable forced("STAMPEDE_INSTRUCTION_SET", "avx521");
  expect_parts(error_of([] { choose_device("cpu"); }), {"STAMPEDE_INSTRUCTION_SET", "did you mean 'avx512'?"});
}

TEST(Loader, MissingModulesAreSaid) {
  const TemporaryFolder folder;
  const Variable modules("STAMPEDE_MODULES", folder.path().string());
  expect_parts(error_of([] { choose_device("cpu"); }), {"no module", folder.path().string()});
  expect_parts(error_of([] { choose_device("cuda"); }), {"--device cuda", "no CUDA module", "--device cpu"});
  const Variable forced("STAMPEDE_INSTRUCTION_SET", "baseline");
  expect_parts(error_of([] { choose_device("cpu"); }), {"libstampede-cpu-baseline.so is not in"});
}

TEST(Loader, TakesTheBestThatIsThereAndSaysWhyNotTheGpu) {
  const TemporaryFolder folder;
  const Variable modules("STAMPEDE_MODULES", folder.path().string());
  write_file(folder / "libstampede-cpu-baseline.so", "no library");
  EXPECT_EQ(choose_device("cpu").instruction_set, "baseline");
  EXPECT_EQ(choose_device("cpu").note, "");
  EXPECT_EQ(choose_device("auto").device, "cpu");
  expect_parts(choose_device("auto").note, {"running on the CPU", "no CUDA module"});
  EXPECT_EQ(usable_instruction_sets(), (std::vector<std::string>{"baseline"}));
  expect_parts(error_of([] { make_engine("cpu"); }), {"cannot load", "libstampede-cpu-baseline.so"});
}

TEST(Loader, NoGpuIsOneLine) {
  static const GpuProbe none = {false, "", "", "there is no NVIDIA driver", 0};
  const AskForGpu ask = [](int) -> const GpuProbe& { return none; };
  const TemporaryFolder folder;
  const Variable modules("STAMPEDE_MODULES", folder.path().string());
  write_file(folder / "libstampede-cuda.so", "no library");
  expect_parts(error_of([&] { choose_device("cuda", ask); }), {"--device cuda: ", none.reason, "--device cpu"});
}

/// A machine whose driver has a GPU.
const GpuProbe& a_gpu(int) {
  static const GpuProbe probe = {true, "a GPU", "sm_90", "", 1};
  return probe;
}

/// One with a GPU of an older kind behind two others.
const GpuProbe& three_gpus(int gpu) {
  static const GpuProbe first = {true, "a GPU", "sm_90", "", 3};
  static const GpuProbe last = {false, "an old GPU", "sm_75", "the GPU an old GPU is an sm_75", 3};
  return gpu == 2 ? last : first;
}

/// "auto" is the CPU and says why, "cuda" is refused, and both give the reason that `info` shows.
void expect_cpu_because(const std::vector<std::string>& reason) {
  const DeviceChoice choice = choose_device("auto", a_gpu);
  EXPECT_EQ(choice.device, "cpu");
  EXPECT_EQ(choice.instruction_set, "baseline");
  EXPECT_EQ(choice.note, "running on the CPU: " + why_no_gpu(a_gpu));
  EXPECT_EQ(choice.note.find('\n'), std::string::npos) << choice.note;
  expect_parts(choice.note, reason);
  const std::string refusal = error_of([] { choose_device("cuda", a_gpu); });
  expect_parts(refusal, reason);
  expect_parts(refusal, {"--device cuda: ", why_no_gpu(a_gpu), "--device cpu"});
}

TEST(Loader, AModuleThatMakesAnEngineIsTheGpus) {
  const std::filesystem::path works =
      choose_device("cpu").module;  // any will do: the loader knows a module by its name
  const TemporaryFolder folder;
  const Variable modules("STAMPEDE_MODULES", folder.path().string());
  std::filesystem::copy_file(works, folder / "libstampede-cuda.so");
  EXPECT_EQ(why_no_gpu(a_gpu), "");
  for (const char* device : {"auto", "cuda"}) {
    const DeviceChoice choice = choose_device(device, a_gpu);
    EXPECT_EQ(choice.device, "cuda");
    EXPECT_EQ(choice.instruction_set, "sm_90");
    EXPECT_EQ(choice.module, folder / "libstampede-cuda.so");
    EXPECT_EQ(choice.note, "");
  }
  // What is better done on the CPU is done there, unless the GPU is asked for.
  std::filesystem::copy_file(works, folder / "libstampede-cpu-baseline.so");
  const DeviceChoice choice = choose_device("auto", a_gpu, "it is small");
  EXPECT_EQ(choice.device, "cpu");
  EXPECT_EQ(choice.note, "running on the CPU: it is small");
  EXPECT_EQ(choose_device("cuda", a_gpu, "it is small").device, "cuda");
}

/// A rank by its number on its machine.
class RankOfMachine final : public RankGroup {
 public:
  explicit RankOfMachine(int index) : index_(index) {}
  Rank rank() const override { return {index_, 4}; }
  int local_index() const override { return index_; }
  int threads() const override { return 1; }
  void exchange_parts(const void*, const std::vector<std::int64_t>&, void*) override {}
  void gather_parts(void*, const std::vector<std::int64_t>&) override {}
  void broadcast(void*, std::int64_t) override {}
  std::vector<std::string> collect(const std::string&) override { return {}; }
  void check() override {}
  void part() override {}
  Error fail(const Error& error, bool&) override { return error; }

 private:
  int index_;
};

TEST(Loader, AGpuByItsNumber) {
  const std::filesystem::path works = choose_device("cpu").module;
  const TemporaryFolder folder;
  const Variable modules("STAMPEDE_MODULES", folder.path().string());
  std::filesystem::copy_file(works, folder / "libstampede-cuda.so");
  EXPECT_EQ(choose_device("cuda:0", three_gpus).gpu, 0);
  EXPECT_EQ(choose_device("cuda:1", three_gpus).gpu, 1);
  expect_parts(error_of([] { choose_device("cuda:2", three_gpus); }), {"--device cuda:2: ", "an old GPU", "sm_75"});
  expect_parts(error_of([] { choose_device("cuda:7", three_gpus); }),
               {"--device cuda:7: ", "3 GPUs, cuda:0 to cuda:2", "CUDA_VISIBLE_DEVICES", "--device cpu"});
  for (const char* wrong : {"cuda:", "cuda:one", "cuda:-1", "cuda:1x", "cuda:99999999999"}) {
    expect_parts(error_of([&] { choose_device(wrong, three_gpus); }), {"--device", wrong, "is no number of a GPU"});
  }
  // Ranks take the GPUs of their numbers; one that sees a single GPU takes that.
  const RankOfMachine second(1), last(3);
  EXPECT_EQ(choose_device("cuda", three_gpus, "", &second).gpu, 1);
  EXPECT_EQ(choose_device("cuda", a_gpu, "", &last).gpu, 0);
  expect_parts(error_of([&] { choose_device("cuda", three_gpus, "", &last); }),
               {"rank 3 of this machine has no GPU", "3 GPUs, cuda:0 to cuda:2", "one process for each"});
  expect_parts(error_of([&] { choose_device("cuda:1", three_gpus, "", &second); }),
               {"--device cuda:1: of 4 ranks each takes a GPU of its own", "--device cuda would be right"});
}

TEST(Loader, AModuleThatDoesNotLoadIsNoGpu) {
  const TemporaryFolder folder;
  const Variable modules("STAMPEDE_MODULES", folder.path().string());
  write_file(folder / "libstampede-cpu-baseline.so", "no library");
  write_file(folder / "libstampede-cuda.so", "no library");
  expect_cpu_because({"cannot load", "libstampede-cuda.so"});
}

TEST(Loader, AModuleOfOtherHeadersIsRefused) {
  const TemporaryFolder folder;
  const Variable modules("STAMPEDE_MODULES", folder.path().string());
  std::filesystem::copy_file(STAMPEDE_STALE_MODULE, folder / "libstampede-cpu-baseline.so");
  std::filesystem::copy_file(STAMPEDE_STALE_MODULE, folder / "libstampede-double.so");
  const std::vector<std::string> parts = {"compiled with other headers", "'of another build'",
                                          STAMPEDE_ENGINE_INTERFACE, "build both again"};
  const std::string engine = error_of([] { make_engine("cpu"); });
  expect_parts(engine, parts);
  expect_parts(engine, {"libstampede-cpu-baseline.so: "});
  expect_parts(error_of([] { make_double_simulation(1, {}); }), parts);
}

TEST(Loader, WithoutTheModuleOfDoublesOneLineSaysHowToBuildIt) {
  const TemporaryFolder folder;
  const Variable modules("STAMPEDE_MODULES", folder.path().string());
  expect_parts(error_of([] { make_double_simulation(1, {}); }),
               {"double precision", "libstampede-double.so", folder.path().string(), "--target double_precision"});
}

TEST(Loader, AnEngineThatIsNotMadeIsNoGpu) {
  const TemporaryFolder folder;
  const Variable modules("STAMPEDE_MODULES", folder.path().string());
  write_file(folder / "libstampede-cpu-baseline.so", "no library");
  std::filesystem::copy_file(STAMPEDE_FAILING_MODULE, folder / "libstampede-cuda.so");
  expect_cpu_because({"the driver is older than the runtime"});
}

}  // namespace
}  // namespace stampede
