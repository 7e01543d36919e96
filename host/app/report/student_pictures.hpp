#pragma once
/// \file What a policy that has a camera saw.

#include <vector>

#include "host/app/draw/image.hpp"
#include "host/engine/engine.hpp"
#include "host/engine/task_spec.hpp"

namespace stampede {

/// The newest picture that the policy was given in each control step of the first episode of a traced evaluation, until
/// the episode's end; none where the task shows its policy no pictures. Grey values from 0, black, to 1.
std::vector<Image> student_pictures(const TaskSpec& task, const Evaluation& evaluation);

}  // namespace stampede
