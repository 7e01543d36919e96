#include "host/engine/loader.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#include "host/base/files.hpp"
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
  if (probe_gpu().usable) GTEST_SKIP() << "there is a GPU: " << probe_gpu().name;
  const TemporaryFolder folder;
  const Variable modules("STAMPEDE_MODULES", folder.path().string());
  write_file(folder / "libstampede-cuda.so", "no library");
  expect_parts(error_of([] { choose_device("cuda"); }), {"--device cuda: ", probe_gpu().reason, "--device cpu"});
}

}  // namespace
}  // namespace stampede
