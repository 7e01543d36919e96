/// \file The file that `stampede pipeline --config` names.
#include "host/app/session/pipeline_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "host/app/draw/film.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/base/suggest.hpp"
#include "host/task/layer.hpp"

namespace stampede {
namespace {

const std::vector<std::string> kTables = {"teacher", "student", "evaluate", "report"};

std::string at(const Layer& layer, const toml::node& node) {
  std::string text = layer.origin;
  if (layer.has_lines && node.source().begin.line > 0) text += ":" + std::to_string(node.source().begin.line);
  return text + ": ";
}

std::string text_of(const toml::node& node) {
  std::ostringstream text;
  text << toml::toml_formatter{node, toml::format_flags::none};
  return text.str();
}

/// Reads the keys of one table; in the end, `finish` refuses those that nobody asked for.
class Table {
 public:
  Table(const Layer& layer, const std::string& name) : layer_(layer), name_(name) {
    const toml::node* node = layer.table.get(name);
    if (node == nullptr) return;
    table_ = node->as_table();
    if (table_ == nullptr) {
      throw Error(at(layer, *node) + name + " = " + text_of(*node) + " must be a table, as in [" + name + "]");
    }
  }

  /// Gives `field` the key's value, where the table has it.
  template <class Number>
  void number(const char* key, Number& field, double low, double high, const char* unit) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const bool whole = std::is_integral_v<Number>;
    if (whole ? !node->is_integer() : !node->is_number()) fail(*node, key, whole ? "a whole number" : "a number");
    const double value = *node->value<double>();
    if (!(value >= low && value <= high)) {
      throw Error(at(layer_, *node) + fmt::format("{}.{} = {} is out of range; it must be from {} to {}{}", name_, key,
                                                  text_of(*node), low, high, unit));
    }
    field = static_cast<Number>(value);
  }
  void word(const char* key, std::string& field, const std::vector<std::string>& choices = {}) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::string>();
    if (!value) fail(*node, key, "a string");
    if (!choices.empty() && std::find(choices.begin(), choices.end(), *value) == choices.end()) {
      throw Error(at(layer_, *node) + name_ + "." + key + " = \"" + *value + "\" is not known; " +
                  suggestion(*value, choices));
    }
    field = *value;
  }
  void finish() const {
    if (table_ == nullptr) return;
    for (const auto& [key, node] : *table_) {
      const std::string name(key.str());
      if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
      throw Error(at(layer_, node) + "unknown key '" + name_ + "." + name + "'; " + suggestion(name, known_));
    }
  }

 private:
  const toml::node* find(const char* key) {
    known_.emplace_back(key);
    return table_ == nullptr ? nullptr : table_->get(key);
  }
  [[noreturn]] void fail(const toml::node& node, const char* key, const char* right) const {
    throw Error(at(layer_, node) + name_ + "." + key + " = " + text_of(node) + " must be " + right);
  }

  const Layer& layer_;
  std::string name_;
  const toml::table* table_ = nullptr;
  std::vector<std::string> known_;
};

void read_evaluate(const Layer& layer, PipelineEvaluation& evaluate) {
  Table table(layer, "evaluate");
  table.number("episodes", evaluate.episodes, 1, 1 << 20, "");
  table.finish();
}

void read_report(const Layer& layer, PipelineReport& report) {
  Table table(layer, "report");
  table.word("title", report.title);
  table.word("film", report.film, {"gif", "mp4", "none"});
  table.number("seconds", report.seconds, 0.1, 600, " s");
  table.number("fps", report.fps, 1, 100, "");
  table.number("width", report.width, 16, kMaxFrameSide, " pixels");
  table.number("height", report.height, 16, kMaxFrameSide, " pixels");
  table.finish();
}

void check_tables(const Layer& layer) {
  for (const auto& [key, node] : layer.table) {
    const std::string name(key.str());
    if (std::find(kTables.begin(), kTables.end(), name) != kTables.end()) continue;
    throw Error(at(layer, node) + "unknown key '" + name + "'; " +
                (name == "seed" ? "--seed sets that of both runs, [teacher] and [student] have one each"
                                : "a pipeline has the tables [teacher], [student], [evaluate] and [report]"));
  }
}

/// The settings of a run that one of the tables describes.
Settings settings_of(const Layer& file, const SettingsSources& sources) {
  const std::string& name = sources.config_table;
  const toml::node* node = file.table.get(name);
  const toml::table* table = node == nullptr ? nullptr : node->as_table();
  const bool named = std::any_of(sources.flags.begin(), sources.flags.end(),
                                 [](const Override& given) { return given.key == "task"; });
  if (table != nullptr && !table->contains("task") && !named) {
    throw Error(at(file, *node) + "[" + name +
                "] does not say what is simulated; task = \"...\" would be right, `stampede list` names all");
  }
  return resolve_settings(sources);
}

std::string difference_of(const toml::table& one, const toml::table& other, const std::string& prefix) {
  for (const auto& [key, node] : one) {
    const std::string name = prefix + std::string(key.str());
    const toml::node* there = other.get(key.str());
    if (there == nullptr) return name;
    if (node.is_table() && there->is_table()) {
      const std::string inner = difference_of(*node.as_table(), *there->as_table(), name + ".");
      if (!inner.empty()) return inner;
    } else if (node.type() != there->type() || text_of(node) != text_of(*there)) {
      return name;
    }
  }
  for (const auto& [key, node] : other) {
    if (!one.contains(key.str())) return prefix + std::string(key.str());
  }
  return "";
}

}  // namespace

PipelineConfig read_pipeline_config(const PipelineSources& sources) {
  PipelineConfig config;
  config.sources = sources;
  config.name = sources.file.stem().string();
  config.text = read_file(sources.file, kLargestText);
  const Layer file = parse_layer(config.text, sources.file.string(), true);
  check_tables(file);
  config.teacher_sources.config_table = "teacher";
  config.student_sources.config_table = "student";
  config.student_sources.default_algo = "online";
  read_evaluate(file, config.evaluate);
  read_report(file, config.report);
  for (const std::string& text : sources.set) {
    const Override given = split_set(text);
    const Layer layer = parse_override(given);
    check_tables(layer);
    const std::size_t dot = given.key.find('.');
    const std::string table = given.key.substr(0, dot);
    read_evaluate(layer, config.evaluate);
    read_report(layer, config.report);
    if (table != "teacher" && table != "student") continue;
    if (dot == std::string::npos) {
      throw Error("--set " + text + ": " + table + " is a table; --set " + table + ".train.iterations=10 sets a key");
    }
    Override of_run = given;
    of_run.key = given.key.substr(dot + 1);
    (table == "teacher" ? config.teacher_sources : config.student_sources).flags.push_back(of_run);
  }
  for (SettingsSources* run : {&config.teacher_sources, &config.student_sources}) {
    run->config_file = sources.file.string();
    if (!sources.seed.empty()) run->flags.push_back({"seed", sources.seed, "--seed"});
  }
  config.teacher = settings_of(file, config.teacher_sources);
  config.student = settings_of(file, config.student_sources);
  if (config.teacher.distill) {
    throw Error(sources.file.string() + ": [teacher] algo = \"" + config.teacher.algo +
                "\" teaches a student, and nobody teaches the teacher; \"ppo\" would be right");
  }
  if (!config.student.distill) {
    throw Error(sources.file.string() + ": [student] algo = \"" + config.student.algo +
                "\" learns from no teacher; online, dagger or bc would be right");
  }
  return config;
}

std::string first_difference(const std::string& one_text, const std::string& other_text) {
  return difference_of(parse_layer(one_text, "the configuration", true).table,
                       parse_layer(other_text, "the other configuration", true).table, "");
}

}  // namespace stampede
