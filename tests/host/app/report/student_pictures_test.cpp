/// \file What a policy saw, out of an evaluation's trace.
#include "host/app/report/student_pictures.hpp"

#include <gtest/gtest.h>

namespace stampede {
namespace {

/// A task with two pictures side by side, 2 x 3 pixels each.
TaskSpec task_with_pictures() {
  TaskSpec task;
  ObservationGroup group;
  group.name = kPolicyGroup;
  group.history = 2;
  group.picture = {2, 3};
  group.names.resize(12);
  task.observations = {group};
  return task;
}

/// Three steps of two episodes, the first of which ends after two.
Evaluation evaluation_with_trace() {
  std::vector<float> seen;
  for (int step = 0; step < 3; ++step) {
    for (int episode = 0; episode < 2; ++episode) {
      for (int i = 0; i < 12; ++i) {
        seen.push_back(0.01f * static_cast<float>(100 * episode + 20 * step + (i < 6 ? 50 : i - 6)));
      }
    }
  }
  Evaluation evaluation;
  evaluation.trace = {make_tensor("active", {3, 2}, {1, 1, 1, 1, 0, 1}), make_tensor("observation", {3, 2, 12}, seen)};
  return evaluation;
}

TEST(StudentPictures, AreTheNewestOfTheFirstEpisode) {
  const std::vector<Image> pictures = student_pictures(task_with_pictures(), evaluation_with_trace());
  ASSERT_EQ(pictures.size(), 2u) << "until its end";
  for (int step = 0; step < 2; ++step) {
    const Image& image = pictures[static_cast<std::size_t>(step)];
    ASSERT_EQ(image.width, 3);
    ASSERT_EQ(image.height, 2);
    for (int i = 0; i < 6; ++i) {
      const auto grey = static_cast<int>(255 * 0.01 * (20 * step + i) + 0.5);
      EXPECT_EQ(image.pixel(i % 3, i / 3)[0], grey);
      EXPECT_EQ(image.pixel(i % 3, i / 3)[2], grey);
    }
  }
}

TEST(StudentPictures, AreNoneWithoutACamera) {
  TaskSpec task = task_with_pictures();
  task.observations[0].picture.clear();
  EXPECT_TRUE(student_pictures(task, evaluation_with_trace()).empty());
  EXPECT_TRUE(student_pictures(task_with_pictures(), {}).empty()) << "no trace";
}

TEST(StudentPictures, ClipWhatIsOutOfRange) {
  Evaluation evaluation = evaluation_with_trace();
  std::vector<float> seen(3 * 2 * 12, 3.0f);
  seen[6] = -1.0f;
  evaluation.trace[1] = make_tensor("observation", {3, 2, 12}, seen);
  const std::vector<Image> pictures = student_pictures(task_with_pictures(), evaluation);
  EXPECT_EQ(pictures[0].pixel(0, 0)[0], 0);
  EXPECT_EQ(pictures[0].pixel(1, 0)[0], 255);
}

}  // namespace
}  // namespace stampede
