/// \file Running maxima that an earlier version kept by place.

#include "host/app/session/old_checkpoint.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "host/base/files.hpp"
#include "host/task/planned_task.hpp"
#include "host/task/settings_io.hpp"
#include "tests/host/temporary_folder.hpp"

namespace stampede {
namespace {

using test::error_of;
using test::expect_parts;
using test::TemporaryFolder;

/// A run as an earlier version wrote it: its tables of constraints follow `head`.
TaskSpec old_run(const TemporaryFolder& folder, const std::string& head, const std::vector<std::string>& constraints) {
  std::string text = head;
  for (const std::string& name : constraints) {
    text += "[constraints." + name + "]\nquantity = \"foot_force\"\nlimit = 300\n";
  }
  write_file(folder / "config.toml", text, Durability::kProcess);
  return *plan_task(resolve_settings({(folder / "config.toml").string(), {}, {}})).spec;
}

std::vector<Tensor> by_place(const TaskSpec& task) {
  std::vector<float> values(task.constraints.columns.size() + 3);
  std::iota(values.begin(), values.end(), 1.0f);
  const auto size = static_cast<std::int64_t>(values.size());
  return {make_tensor("other", {1}, {7.0f}), make_tensor("constraint_maxima", {size}, values)};
}

const std::string kHead = "task = \"mine\"\nextends = \"base.toml\"\n";

class OldCheckpoint : public ::testing::Test {
 protected:
  OldCheckpoint() : here_(std::filesystem::current_path()) { std::filesystem::current_path(folder_.path()); }
  ~OldCheckpoint() override { std::filesystem::current_path(here_); }
  void base(const std::string& constraints) {
    write_file(folder_ / "base.toml",
               "[control]\nrobot = \"go2\"\n[observations]\npolicy = [\"joint_position\"]\n" + constraints,
               Durability::kProcess);
  }
  std::filesystem::path here_;
  TemporaryFolder folder_;
};

TEST_F(OldCheckpoint, IsNamedWhereItsOrderIsSure) {
  base("[constraints.b]\nquantity = \"joint_torque\"\nlimit = 3\n");
  const TaskSpec task = old_run(folder_, kHead, {"b", "a", "c"});
  std::vector<Tensor> state = by_place(task);
  name_constraint_maxima(state, task, folder_.path());
  ASSERT_EQ(state.size(), 4u);
  EXPECT_EQ(state[0].name, "other");
  for (const auto& [name, first] : {std::pair{"b", 1.0f}, std::pair{"a", 5.0f}, std::pair{"c", 9.0f}}) {
    const auto found = std::find_if(state.begin(), state.end(), [n = std::string(name)](const Tensor& t) {
      return t.name == "constraint_maxima/" + n;
    });
    ASSERT_NE(found, state.end()) << name;
    EXPECT_EQ(floats_of(*found), (std::vector<float>{first, first + 1, first + 2, first + 3})) << name;
  }
  const std::size_t size = state.size();
  name_constraint_maxima(state, task, folder_.path());  // by name already
  EXPECT_EQ(state.size(), size);
}

TEST_F(OldCheckpoint, IsRefusedWhereItMayHaveBeenAnother) {
  // As of two parents, of which config.toml kept the last: c was another parent's, and came before b.
  base("[constraints.b]\nquantity = \"joint_torque\"\nlimit = 3\n");
  const TaskSpec task = old_run(folder_, kHead, {"c", "b", "a"});
  std::vector<Tensor> state = by_place(task);
  expect_parts(error_of([&] { name_constraint_maxima(state, task, folder_.path()); }),
               {folder_.path().string(), "earlier version", "train anew", "config.toml"});
  // What config.toml does not list was not judged.
  base("[constraints.d]\nquantity = \"joint_torque\"\nlimit = 3\n");
  const TaskSpec more = old_run(folder_, kHead, {"a", "b"});
  state = by_place(more);
  expect_parts(error_of([&] { name_constraint_maxima(state, more, folder_.path()); }), {"earlier version"});
}

}  // namespace
}  // namespace stampede
