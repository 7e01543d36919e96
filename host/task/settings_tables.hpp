#pragma once
/// \file The tables of a configuration, listed once for reading and for writing.

#include <utility>

#include "host/task/settings.hpp"

namespace stampede {

/// Calls `visit(name, table)` for each table that is a struct with `describe`. `settings` may be const.
template <class SettingsType, class Visit>
void for_each_table(SettingsType& settings, Visit&& visit) {
  visit("train", settings.train);
  visit("algorithm", settings.algorithm);
  visit("network", settings.network);
  visit("run", settings.run);
  visit("policy_observation", settings.policy_observation);
  visit("critic_observation", settings.critic_observation);
  if (settings.distill) visit("distill", *settings.distill);
  if (!settings.legged) {
    visit("pixels", settings.pixels);
    return;
  }
  auto& legged = *settings.legged;
  visit("control", legged.control);
  visit("commands", legged.commands);
  visit("start", legged.start);
  visit("terrain", legged.terrain);
  visit("scan", legged.scan);
  visit("camera", legged.camera);
  visit("symmetry", legged.symmetry);
  visit("noise", legged.noise);
  visit("randomise", legged.randomise);
  visit("terminations", legged.terminations);
  visit("observations", legged.observations);
  visit("cat", legged.cat);
}

}  // namespace stampede
