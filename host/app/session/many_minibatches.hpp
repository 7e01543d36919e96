#pragma once
/// \file Trainings that make a GPU wait for its own launches: those that go through their samples in many small
/// minibatches.

#include <string>

#include "host/task/settings.hpp"

namespace stampede {

/// A line for the user of a GPU where a pass over the samples is split into more than 64 minibatches; else empty. Each
/// minibatch is 7 to some 60 kernels one after the other, which take the same time however few samples they have, so
/// more of them only take longer. A CPU goes through a minibatch in tiles, and loses nothing by many.
std::string note_of_minibatches(const Settings& settings);

}  // namespace stampede
