/// \file The report of a pipeline.
#include "host/app/report/pipeline_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "host/app/draw/image_io.hpp"
#include "host/app/plot/picture.hpp"
#include "host/app/plot/ticks.hpp"
#include "host/app/report/html.hpp"
#include "host/app/report/page_style.hpp"
#include "host/app/run/metrics.hpp"
#include "host/base/error.hpp"
#include "host/base/files.hpp"

namespace stampede {
namespace {

using PageJson = nlohmann::ordered_json;

constexpr std::size_t kMostPoints = 400;  ///< of a line of a chart
constexpr const char* kWho[] = {"teacher", "student"};

std::string section(const char* id, const std::string& heading, const std::string& body) {
  return body.empty() ? "" : fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", id, heading, body);
}

std::string paragraph(const std::string& text, const char* look = "") {
  return fmt::format("<p{}>{}</p>\n", *look == 0 ? "" : fmt::format(" class=\"{}\"", look), escape_html(text));
}

/// The number that a table has under a key; NaN where it has none.
double number_in(const PageJson& table, const std::string& key) {
  return table.is_object() && table.contains(key) && table[key].is_number() ? table[key].get<double>() : NAN;
}

/// A dash where it is no number.
std::string shown(double value, int digits, const char* unit = "") {
  return std::isfinite(value) ? with_minus(fmt::format("{:.{}f}", value, digits)) + unit : std::string("\u2013");
}

std::string minutes(double seconds) {
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.2f} h", seconds / 3600);
}

// ---- Results ----

/// A row of the table of results.
struct Figure {
  const char *key, *label, *unit;
  int digits;
  double scale = 1;
};

constexpr Figure kFigures[] = {
    {"return_mean", "return of an episode, mean", "", 1},
    {"return_std", "return, standard deviation", "", 1},
    {"episode_length_mean", "length of an episode", " steps", 1},
    {"upright_share", "episodes that end upright", " %", 1, 100},
    {"tracking_error_linear", "tracking error, velocity", " m/s", 3},
    {"tracking_error_angular", "tracking error, turning", " rad/s", 3},
    {"fall_rate", "episodes that end in a fall", " %", 2, 100},
    {"survival", "episodes that last to their time limit", " %", 2, 100},
    {"cost_of_transport", "cost of transport", "", 2},
    {"nonfinite", "states that were not finite", "", 0},
};

/// Whether a key of an evaluation is a row of its own, or none at all.
bool is_told(const std::string& key) {
  if (key == "episodes" || key == "steps" || key == "contacts_over_slots") return true;
  return std::any_of(std::begin(kFigures), std::end(kFigures), [&](const Figure& figure) { return figure.key == key; });
}

std::string results_table(const PageJson& evaluation) {
  std::string rows;
  for (const Figure& figure : kFigures) {
    std::string cells;
    bool any = false;
    for (const char* who : kWho) {
      const double value = figure.scale * number_in(evaluation[who], figure.key);
      any = any || (evaluation[who].is_object() && evaluation[who].contains(figure.key));
      cells += fmt::format("<td>{}</td>", shown(value, figure.digits, figure.unit));
    }
    if (any) rows += fmt::format("<tr><th scope=\"row\">{}</th>{}</tr>\n", figure.label, cells);
  }
  for (const auto& [key, value] : evaluation["student"].items()) {
    if (!value.is_number() || is_told(key)) continue;  // else a metric of the task's own
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n", escape_html(key),
                        shown(number_in(evaluation["teacher"], key), 3), shown(value.get<double>(), 3));
  }
  return fmt::format(
      "<div class=\"wide\"><table><caption>{} episodes each, the same ones for both, in the student's task {}, without "
      "the policies' noise</caption>\n<thead><tr><th></th><th scope=\"col\">teacher</th><th "
      "scope=\"col\">student</th></tr></thead>\n<tbody>{}</tbody></table></div>\n",
      number_in(evaluation["student"], "episodes"), escape_html(evaluation.value("task", "")), rows);
}

std::string constraints_table(const PageJson& evaluation) {
  const PageJson &teacher = evaluation["teacher"], &student = evaluation["student"];
  if (!student.is_object() || !student.contains("constraints") || student["constraints"].empty()) return "";
  std::string rows;
  for (const auto& [name, figures] : student["constraints"].items()) {
    const PageJson none = PageJson::object();
    const bool both = teacher.contains("constraints") && teacher["constraints"].contains(name);
    const PageJson& other = both ? teacher["constraints"][name] : none;
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"left\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        escape_html(name), escape_html(figures.value("kind", "")), fmt::format("{:.4g}", number_in(figures, "limit")),
        shown(100 * number_in(other, "violated"), 3, " %"), shown(100 * number_in(figures, "violated"), 3, " %"));
  }
  return "<div class=\"wide\"><table><caption>Share of the control steps that violate a constraint</caption>\n"
         "<thead><tr><th></th><th scope=\"col\">kind</th><th scope=\"col\">limit</th><th scope=\"col\">teacher</th>"
         "<th scope=\"col\">student</th></tr></thead>\n<tbody>" +
         rows + "</tbody></table></div>\n";
}

// ---- Obstacles ----

/// One kind of ground: shares that crossed it, by level, of teacher and student.
struct KindSuccess {
  std::string name;
  std::vector<double> sizes;      ///< by level
  std::vector<double> shares[2];  ///< likewise; NaN: nobody tried
};

std::vector<KindSuccess> success_by_kind(const PageJson& evaluation) {
  std::vector<KindSuccess> kinds;
  for (int who = 0; who < 2; ++who) {
    const PageJson& figures = evaluation[kWho[who]];
    if (!figures.is_object() || !figures.contains("terrain")) continue;
    for (const PageJson& entry : figures["terrain"]) {
      const std::string name = entry.value("kind", "");
      auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const KindSuccess& k) { return k.name == name; });
      if (kind == kinds.end()) kind = kinds.insert(kinds.end(), KindSuccess{name, {}, {}});
      const auto level = entry.value("level", std::size_t{0});
      for (std::vector<double>* values : {&kind->sizes, &kind->shares[0], &kind->shares[1]}) {
        if (values->size() <= level) values->resize(level + 1, NAN);
      }
      kind->sizes[level] = number_in(entry, "size");
      kind->shares[who][level] = number_in(entry, "crossed");
    }
  }
  return kinds;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  int count = 0;
  for (const double value : values) {
    if (std::isfinite(value)) sum += value, ++count;
  }
  return count > 0 ? sum / count : NAN;
}

std::string success_chart(const KindSuccess& kind) {
  const bool slope = kind.name.find("slope") != std::string::npos;
  double low = INFINITY, high = -INFINITY;
  for (const double size : kind.sizes) low = std::fmin(low, size), high = std::fmax(high, size);
  const bool sized = high > low;
  std::vector<ChartLine> lines;
  for (int who = 0; who < 2; ++who) {
    ChartLine line{kWho[who], {}, who, true};
    for (std::size_t level = 0; level < kind.sizes.size(); ++level) {
      const double size = slope ? kind.sizes[level] * 180 / M_PI : kind.sizes[level];
      line.points.emplace_back(sized ? size : static_cast<double>(level), 100 * kind.shares[who][level]);
    }
    lines.push_back(std::move(line));
  }
  const std::string x = !sized ? "level" : slope ? "slope [degrees]" : "size [m]";
  return line_chart(lines, {kind.name, x, "crossed [%]"}, {0, 100});
}

std::string obstacles(const PageJson& evaluation) {
  const std::vector<KindSuccess> kinds = success_by_kind(evaluation);
  if (kinds.empty()) return "";
  std::string charts, rows, heads;
  std::size_t levels = 0;
  for (const KindSuccess& kind : kinds) levels = std::max(levels, kind.sizes.size());
  for (std::size_t level = 0; level < levels; ++level) heads += fmt::format("<th scope=\"col\">{}</th>", level);
  for (const KindSuccess& kind : kinds) {
    charts += success_chart(kind);
    for (int who = 0; who < 2; ++who) {
      std::string cells;
      for (std::size_t level = 0; level < levels; ++level) {
        const double share = level < kind.shares[who].size() ? kind.shares[who][level] : NAN;
        cells += std::isfinite(share)
                     ? fmt::format("<td class=\"share\" style=\"--share:{:.2f}\">{:.0f}</td>", share, 100 * share)
                     : std::string("<td>\u2013</td>");
      }
      rows += fmt::format("<tr><th scope=\"row\">{}</th><td class=\"left\">{}</td>{}<td>{}</td></tr>\n",
                          who == 0 ? escape_html(kind.name) : "", kWho[who], cells,
                          shown(100 * mean_of(kind.shares[who]), 1));
    }
  }
  return paragraph(
             "Of the episodes that were told to walk straight ahead, and for long enough, the share in which the robot "
             "got off the obstacle's tile.") +
         "<div class=\"grid-of\">\n" + charts +
         "</div>\n<div class=\"wide\"><table><caption>Episodes that crossed [%], "
         "by level, from the easiest</caption>\n<thead><tr><th scope=\"col\">kind</th><th></th>" +
         heads + "<th scope=\"col\">mean</th></tr></thead>\n<tbody>" + rows + "</tbody></table></div>\n";
}

/// The figures at the top of the page.
std::string headline(const PageJson& evaluation, const PipelineState& state) {
  std::string cards;
  const auto card = [&](const std::string& name, const std::string& value) {
    cards += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", name, value);
  };
  for (const char* who : kWho) {
    card(fmt::format("{}'s return", who), shown(number_in(evaluation[who], "return_mean"), 1));
  }
  for (const char* who : kWho) {
    const double falls = number_in(evaluation[who], "fall_rate");
    if (std::isfinite(falls)) card(fmt::format("{} falls in", who), shown(100 * falls, 2, " %"));
  }
  std::vector<double> crossed[2];
  for (const KindSuccess& kind : success_by_kind(evaluation)) {
    for (int who = 0; who < 2; ++who) {
      crossed[who].insert(crossed[who].end(), kind.shares[who].begin(), kind.shares[who].end());
    }
  }
  for (int who = 0; who < 2; ++who) {
    if (!crossed[who].empty()) card(fmt::format("{} crosses", kWho[who]), shown(100 * mean_of(crossed[who]), 1, " %"));
  }
  double seconds = 0;
  for (const PipelineStage& stage : state.stages) seconds += stage.seconds;
  card("took, in all", minutes(seconds));
  return "<dl class=\"numbers\">\n" + cards + "</dl>\n";
}

// ---- Films and pictures ----

std::string films(const PipelinePictures& pictures, const PipelineReport& options,
                  const std::filesystem::path& folder) {
  std::string figures;
  for (const ReportFilm& film : pictures.films) {
    const bool mp4 = std::filesystem::path(film.file).extension() == ".mp4";
    const std::string url = data_url(mp4 ? "video/mp4" : "image/gif", read_file(folder / film.file));
    const std::string size = fmt::format("width=\"{}\" height=\"{}\"", film.width, options.height);
    figures +=
        mp4 ? fmt::format("<figure><video {} controls autoplay loop muted playsinline src=\"{}\"></video>", size, url)
            : fmt::format("<figure><img {} alt=\"{}\" src=\"{}\">", size, escape_html(film.caption), url);
    figures += fmt::format("<figcaption>{}</figcaption></figure>\n", escape_html(film.caption));
  }
  if (!figures.empty()) figures = "<div class=\"film\">\n" + figures + "</div>\n";
  return figures + (pictures.note.empty() ? "" : paragraph(pictures.note));
}

std::string sights(const std::vector<ReportSight>& sights) {
  if (sights.empty()) return "";
  std::string figures;
  for (const ReportSight& sight : sights) {
    const std::string time = fmt::format("{:.2f} s", sight.time);
    figures += fmt::format(
        "<figure><img alt=\"what the student sees after {0}\" src=\"{1}\"><figcaption>{0}</figcaption>"
        "</figure>\n",
        time, data_url("image/png", to_png(sight.picture)));
  }
  const Image& first = sights.front().picture;
  return paragraph(fmt::format("The pictures of {} x {} pixels that the student's network gets, at times of the film.",
                               first.width, first.height)) +
         "<div class=\"sight\">\n" + figures + "</div>\n";
}

// ---- Training ----

std::vector<std::pair<double, double>> curve_of(const std::vector<MetricPoint>& points, bool over_steps, double scale) {
  std::vector<double> values;
  for (const MetricPoint& point : points) values.push_back(scale * point.value);
  values = smoothed(values, static_cast<int>(values.size()) / 60);
  std::vector<std::pair<double, double>> curve;
  for (std::size_t i = 0; i < points.size(); ++i) {
    curve.emplace_back(over_steps ? points[i].steps : points[i].iteration, values[i]);
  }
  return thinned(curve, kMostPoints);
}

/// What a chart of a training shows: one metric over environment steps, or all of `<name>...<end>` over iterations.
struct TrainingPanel {
  const char *title, *unit, *name;
  const char* end = nullptr;
  double scale = 1;
};

constexpr TrainingPanel kPanels[] = {
    {"return of an episode, as it learned", "return", "return_mean"},
    {"length of an episode", "control steps", "episode_length_mean"},
    {"difference from the teacher's actions, mean", "units of the network's output", "action_error"},
    {"loss of the imitation", "loss", "loss"},
    {"level of the ground, mean", "level", "terrain/level"},
    {"reward terms", "weighted, a second", "rewards/", ""},
    {"constraints", "steps that violate one [%]", "constraints/", "/violated", 100},
};

std::string single_chart(const std::filesystem::path& run, const TrainingPanel& panel, int colour, double reference) {
  const std::vector<std::vector<MetricPoint>> points = read_metrics(run, {panel.name});
  ChartLine line{"", curve_of(points.front(), true, panel.scale), colour};
  if (line.points.empty()) return "";
  const auto other = [&](const auto& point) { return point.second != line.points.front().second; };
  if (line.points.size() > 1 && std::none_of(line.points.begin(), line.points.end(), other)) return "";  // says nothing
  std::vector<ChartLine> lines;
  if (std::isfinite(reference)) {
    line.name = "whoever acted";
    lines.push_back({"the teacher, evaluated",
                     {{line.points.front().first, reference}, {line.points.back().first, reference}},
                     kChartColours});
  }
  lines.push_back(std::move(line));
  return line_chart(lines, {panel.title, "environment steps", panel.unit});
}

std::string group_chart(const std::filesystem::path& run, const TrainingPanel& panel) {
  const std::string begin = panel.name, end = panel.end;
  std::vector<std::string> names;
  for (const std::string& name : metric_names(run)) {
    if (name.starts_with(begin) && name.ends_with(end)) names.push_back(name);
  }
  const std::vector<std::vector<MetricPoint>> points = read_metrics(run, names);
  std::vector<ChartLine> lines;
  for (std::size_t i = 0; i < names.size(); ++i) {
    lines.push_back({names[i].substr(begin.size(), names[i].size() - begin.size() - end.size()),
                     curve_of(points[i], false, panel.scale), static_cast<int>(i)});
  }
  return line_chart(lines, {panel.title, "iteration", panel.unit});
}

/// `reference`: a return to compare with; NaN: none.
std::string training_charts(const std::filesystem::path& run, int colour, double reference) {
  std::string charts;
  for (const TrainingPanel& panel : kPanels) {
    charts += panel.end != nullptr ? group_chart(run, panel)
                                   : single_chart(run, panel, colour, &panel == kPanels ? reference : NAN);
  }
  return charts;
}

std::string training(const std::filesystem::path& folder, const PageJson& evaluation) {
  std::string body;
  for (int who = 0; who < 2; ++who) {
    const double reference = who == 0 ? NAN : number_in(evaluation["teacher"], "return_mean");
    const std::string charts = training_charts(folder / kWho[who], who, reference);
    if (charts.empty()) continue;
    body += fmt::format("<h3>{}</h3>\n<div class=\"grid-of\">\n{}</div>\n", who == 0 ? "The teacher" : "The student",
                        charts);
    const std::filesystem::path walk = folder / kWho[who] / "walk.png";
    if (!is_file(walk)) continue;
    body += fmt::format(
        "<figure class=\"picture\"><img alt=\"commands and velocities of the {0} over time\" "
        "src=\"{1}\"><figcaption>How the {0} follows commands</figcaption></figure>\n",
        kWho[who], data_url("image/png", read_file(walk)));
  }
  return body;
}

// ---- How it was made ----

std::string stages_table(const PipelineState& state) {
  std::string rows;
  for (const PipelineStage& stage : state.stages) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", stage.name, minutes(stage.seconds));
  }
  return "<table><caption>Time of each stage</caption><tbody>" + rows + "</tbody></table>\n";
}

std::string runs_table(const PipelineConfig& config) {
  std::string rows;
  const std::pair<const char*, const Settings&> runs[] = {{"teacher", config.teacher}, {"student", config.student}};
  for (const auto& [who, run] : runs) {
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"left\">{}</td><td class=\"left\">{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td></tr>\n",
        who, escape_html(run.task), escape_html(run.algo), run.train.iterations, run.train.num_envs, run.seed);
  }
  return "<div class=\"wide\"><table><caption>The runs</caption><thead><tr><th></th><th scope=\"col\">task</th>"
         "<th scope=\"col\">algorithm</th><th scope=\"col\">iterations</th><th scope=\"col\">environments</th>"
         "<th scope=\"col\">seed</th></tr></thead>\n<tbody>" +
         rows + "</tbody></table></div>\n";
}

std::string making(const PipelineConfig& config, const PipelineState& state, const std::filesystem::path& folder) {
  std::string commands, machines;
  for (const PageJson& call : state.calls) {
    commands += call.value("command_line", "") + "    # " + call.value("time", "") + "\n";
    const PageJson machine = call.value("machine", PageJson::object());
    const std::string line =
        fmt::format("stampede {} ({}, {} build, {}) on {} ({}, {} threads), {}: {}, {} cores, {:.1f} GiB",
                    call.value("version", ""), call.value("commit", ""), call.value("build", ""),
                    call.value("compiler", ""), call.value("device", ""), call.value("instruction_set", ""),
                    call.value("threads", 0), machine.value("distribution", ""), machine.value("cpu", ""),
                    machine.value("cores", 0), number_in(machine, "memory_bytes") / (1 << 30));
    if (machines.find(escape_html(line)) == std::string::npos) machines += paragraph(line);
  }
  const std::string run = folder.string();
  const std::string again = fmt::format(
      "stampede eval --run {0}/student --episodes {1}\nstampede eval --run {0}/teacher --episodes {1}\n"
      "stampede play --run {0}/student --out student.gif\n",
      run, config.evaluate.episodes);
  return runs_table(config) + stages_table(state) + "<h3>Commands</h3>\n<pre>" + escape_html(commands) +
         "</pre>\n<p>What the runs can be asked further:</p>\n<pre>" + escape_html(again) +
         "</pre>\n<h3>Version and machine</h3>\n" + machines;
}

std::string configuration(const PipelineConfig& config, const std::filesystem::path& folder) {
  std::string body = "<pre>" + escape_html(config.text) + "</pre>\n";
  for (const char* who : kWho) {
    const std::filesystem::path file = folder / who / "config.toml";
    if (!is_file(file)) continue;
    body += fmt::format("<details><summary>every setting of the {}</summary><pre>{}</pre></details>\n", who,
                        escape_html(read_file(file, kLargestText)));
  }
  return body;
}

}  // namespace

std::string pipeline_page(const PipelineConfig& config, const PipelineState& state, const std::filesystem::path& folder,
                          const PipelinePictures& pictures) {
  const std::filesystem::path evaluated = folder / "evaluation.json";
  const PageJson evaluation = PageJson::parse(read_file(evaluated, kLargestText), nullptr, false);
  if (!evaluation.is_object() || !evaluation.contains("teacher") || !evaluation.contains("student")) {
    throw Error(evaluated.string() + ": is damaged; delete it, and the pipeline makes it again");
  }
  const std::string title = escape_html(config.report.title.empty() ? config.name : config.report.title);
  const std::string about = fmt::format(
      "A teacher of the task {} was trained by the algorithm {} and taught a student of {} by the algorithm {}.",
      config.teacher.task, config.teacher.algo, config.student.task, config.student.algo);
  // The page may load nothing: all is in it.
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; media-src data:; "
      "style-src 'unsafe-inline'\">\n<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n<header>\n<h1>{0}</h1>\n",
      title, kPageStyle);
  page += paragraph(about, "quiet") + headline(evaluation, state) + "</header>\n<main>\n";
  page += section("results", "Results", results_table(evaluation));
  page += section("obstacles", "Success by obstacle and size", obstacles(evaluation));
  page += section("film", "What the student does", films(pictures, config.report, folder));
  page += section("sight", "What the student sees", sights(pictures.sights));
  page += section("training", "Training", training(folder, evaluation));
  page += section("constraints", "Constraints", constraints_table(evaluation));
  page += section("making", "How it was made", making(config, state, folder));
  page += section("configuration", "Configuration", configuration(config, folder));
  return page + "</main>\n</body>\n</html>\n";
}

}  // namespace stampede
