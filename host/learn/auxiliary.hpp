#pragma once
/// \file What a student's last hidden layer is to tell besides the actions, for auxiliary losses: numbers that its
/// teacher has at hand, each kind told by a linear layer of its own (AuxiliaryHead) that is learned with the student
/// and is no part of its policy.
///
///     teacher     observation --> normalised -----> last hidden layer -----> label
///                                    | height_scan      | all
///                                    v                  v
///     target                      [scan]             [latent]
///                                    ^ squares          ^
///     student     scan_head ---------'    latent_head --'      both from its last hidden layer
///
/// The latent: Romero et al., "FitNets", 2015, with a linear regressor, whether or not the two layers are equally wide.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "host/engine/training_request.hpp"
#include "host/nets/dense.hpp"
#include "kernels/vocabulary.hpp"

namespace stampede {

/// A head, what it is to tell, and how much that counts.
struct AuxiliaryTarget {
  enum class Source { kHidden, kSeen };  ///< the teacher's last hidden layer; its observations, normalised

  AuxiliaryHead head;
  float weight = 0;
  const char* metric = "";  ///< name of its loss
  Source source = Source::kHidden;
  Index first = 0;  ///< column of the source from which it is copied
  Index place = 0;  ///< column of a target's row at which it begins; a multiple of kMaxLanes
};

/// The group of observations that a distillation's teacher sees.
inline const ObservationGroup& seen_by_teacher(const TaskSpec& task) {
  return task.privileged() != nullptr ? *task.privileged() : task.policy();
}

/// Where the newest reading's height_scan lies in a group of observations: its first column and how many there are.
struct ScanColumns {
  Index first = 0;
  int count = 0;
};
inline ScanColumns scan_columns(const ObservationGroup& group) {
  const auto is_scan = [](const std::string& name) {
    return name.rfind("height_scan.", 0) == 0 && name.find('@') == std::string::npos;
  };
  const auto begin = std::find_if(group.names.begin(), group.names.end(), is_scan);
  return {static_cast<Index>(begin - group.names.begin()),
          static_cast<int>(std::find_if_not(begin, group.names.end(), is_scan) - begin)};
}

/// The targets that the settings give weight to. Throws Error where the teacher does not have them, nobody can be asked
/// for them, or the student has no layer to learn them with.
inline std::vector<AuxiliaryTarget> auxiliary_targets(const TrainingRequest& request) {
  const DistillSettings& distill = request.distill;
  std::vector<AuxiliaryTarget> all;
  const auto add = [&](const char* key, AuxiliaryTarget target) {
    if (request.network.actor.empty() && request.network.modules.size() == 1) {
      throw Error("distill." + std::string(key) + ": the student's network has no hidden layer to shape " +
                  "(network.actor = []); one with a layer, or 0, would be right");
    }
    if (!all.empty()) target.place = all.back().place + padded(Index{all.back().head.outputs});
    all.push_back(std::move(target));
  };
  for (const auto& [key, weight] :
       {std::pair("latent", distill.latent), std::pair("reconstruct", distill.reconstruct)}) {
    if (weight > 0 && request.teacher == nullptr) {
      throw Error("distill." + std::string(key) + " needs a teacher that is asked in each step (--teacher RUN); " +
                  "a data set holds its actions only: with --dataset 0 would be right");
    }
  }
  if (distill.latent > 0) {
    const std::vector<DenseLayer> layers = request.teacher->layers();
    if (layers.size() < 2) {
      throw Error("distill.latent: the teacher's network has no hidden layer; 0, or another teacher, would be right");
    }
    add("latent", {{"latent_head", layers.back().inputs}, distill.latent, "latent_loss"});
  }
  if (distill.reconstruct > 0) {
    const ObservationGroup& seen = seen_by_teacher(*request.task);
    const ScanColumns scan = scan_columns(seen);
    if (scan.count == 0) {
      throw Error(
          "distill.reconstruct: the teacher does not see \"height_scan\"; 0, or a teacher that does, would be right");
    }
    add("reconstruct", {{"scan_head", scan.count},
                        distill.reconstruct,
                        "reconstruction_loss",
                        AuxiliaryTarget::Source::kSeen,
                        scan.first});
  }
  return all;
}

inline std::vector<AuxiliaryHead> heads_of(const std::vector<AuxiliaryTarget>& targets) {
  std::vector<AuxiliaryHead> heads;
  for (const AuxiliaryTarget& target : targets) heads.push_back(target.head);
  return heads;
}

/// Numbers of a row of all targets, each padded to whole packs; 0 where there are none.
inline Index width_of(const std::vector<AuxiliaryTarget>& targets) {
  return targets.empty() ? 0 : targets.back().place + padded(Index{targets.back().head.outputs});
}

}  // namespace stampede
