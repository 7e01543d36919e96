/// \file Pieces of pages: what they escape, encode and draw.
#include "host/app/report/html.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace stampede {
namespace {

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

TEST(Html, TextCannotBecomeMarkup) {
  EXPECT_EQ(escape_html("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(escape_html(std::string("a\0b\x1b[1m\n\t", 9)), "a b [1m\n\t");
  EXPECT_EQ(escape_html("\u2013"), "\u2013");
}

TEST(Html, DataUrlsAreBase64) {
  // The examples of RFC 4648, section 10.
  EXPECT_EQ(data_url("a/b", ""), "data:a/b;base64,");
  EXPECT_EQ(data_url("a/b", "f"), "data:a/b;base64,Zg==");
  EXPECT_EQ(data_url("a/b", "fo"), "data:a/b;base64,Zm8=");
  EXPECT_EQ(data_url("a/b", "foo"), "data:a/b;base64,Zm9v");
  EXPECT_EQ(data_url("a/b", "foobar"), "data:a/b;base64,Zm9vYmFy");
  EXPECT_EQ(data_url("a/b", "\xff\xfe\xfd"), "data:a/b;base64,//79");
}

TEST(Html, AChartHasItsLinesAndWhatTheyMean) {
  const std::string chart = line_chart({{"one", {{0, 1}, {10, 3}}, 0}, {"a<b", {{0, 2}, {10, 2}}, 9, true}},
                                       {"title & more", "time [s]", "height [m]"});
  for (const char* part : {"title &amp; more", ">time [s]<", ">height [m]<", ">one<", ">a&lt;b<", "stroke-dasharray"}) {
    EXPECT_NE(chart.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(count(chart, "class=\"line\""), 2u);
  EXPECT_EQ(count(chart, "<circle"), 2u) << "dots where they are asked for";
  EXPECT_EQ(chart.find("nan"), std::string::npos);
}

TEST(Html, AChartLeavesOutWhatIsNoNumber) {
  EXPECT_EQ(line_chart({}, {"", "", ""}), "");
  EXPECT_EQ(line_chart({{"a", {{0, NAN}, {INFINITY, 1}}}}, {"", "", ""}), "");
  const std::string chart = line_chart({{"a", {{0, 5}, {1, NAN}, {2, 5}}}}, {"t", "x", "y"});
  EXPECT_EQ(chart.find("nan"), std::string::npos);
  const std::string one = line_chart({{"a", {{3, 5}}}}, {"t", "x", "y"});
  EXPECT_EQ(count(one, "<circle"), 1u) << "a single point is a dot";
}

TEST(Html, TheVerticalAxisShowsWhatItMust) {
  const std::string chart = line_chart({{"a", {{0, 40}, {1, 60}}}}, {"t", "x", "crossed [%]"}, {0, 100});
  EXPECT_NE(chart.find(">0<"), std::string::npos);
  EXPECT_NE(chart.find(">100<"), std::string::npos);
}

TEST(Html, LongLinesBecomeMeansOfNeighbours) {
  std::vector<std::pair<double, double>> points;
  for (int i = 0; i < 1000; ++i) points.emplace_back(i, 2 * i);
  const auto few = thinned(points, 100);
  ASSERT_EQ(few.size(), 100u);
  EXPECT_EQ(few[0], (std::pair<double, double>(4.5, 9)));
  EXPECT_EQ(thinned(points, 1000), points);
  EXPECT_EQ(thinned({}, 10).size(), 0u);
  EXPECT_LE(thinned(points, 333).size(), 333u);
}

}  // namespace
}  // namespace stampede
