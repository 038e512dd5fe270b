#include "manifest/json_value.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::manifest {
namespace {

using testing::HasSubstr;

constexpr JsonLimits kLimits{8u << 20, 1'000'000};

std::string rule_of(std::string_view text, const JsonLimits& limits = kLimits) {
  const auto value = parse_json(text, limits, "thing");
  if (value) return "accepted";
  EXPECT_EQ(value.error().code, base::Code::kBadManifest);
  return value.error().message;
}

TEST(ParseJson, KeepsEveryKindOfValue) {
  const auto root = parse_json(R"({"n":null,"t":true,"u":18446744073709551615,"i":-3,"f":1.5,
                                   "s":"x\u00e9","a":[1,{"b":[]}]})",
                               kLimits, "thing");
  ASSERT_TRUE(root);
  EXPECT_TRUE(root->find("n")->is_null());
  EXPECT_TRUE(*root->find("t")->boolean());
  EXPECT_EQ(*root->find("u")->u64(), 18446744073709551615u);
  EXPECT_EQ(*root->find("i")->negative(), -3);
  EXPECT_EQ(root->find("f")->u64(), nullptr);
  EXPECT_EQ(*root->find("s")->string(), "x\xc3\xa9");
  EXPECT_EQ(root->find("a")->array()->size(), 2u);
  EXPECT_EQ(root->find("absent"), nullptr);
}

TEST(ParseJson, RefusesWhatIsNotStrictJson) {
  for (const std::string text :
       {"", " ", "{", "[1,]", "{\"a\":1,}", "{'a':1}", "[1] x", "nul", "01", "+1", "NaN", "[1e400]",
        "\"\\ud800\"", "\"\xff\"", "\"\n\"", "// c\n1", "{\"a\" 1}"}) {
    EXPECT_THAT(rule_of(text), HasSubstr("thing: not JSON")) << text;
  }
}

TEST(ParseJson, RefusesDuplicateKeysInSmallAndLargeObjects) {
  EXPECT_THAT(rule_of(R"({"a":1,"b":2,"a":3})"), HasSubstr("\"a\" occurs twice"));
  EXPECT_THAT(rule_of(R"([{"x":{"k":1,"\u006b":1}}])"), HasSubstr("\"k\" occurs twice"));
  std::string large = "{";
  for (int i = 0; i < 100; ++i) large += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_EQ(rule_of(large + "\"z\":0}"), "accepted");
  EXPECT_THAT(rule_of(large + "\"k7\":0}"), HasSubstr("\"k7\" occurs twice"));
}

TEST(ParseJson, LimitsDepthValuesAndBytes) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(rule_of(nested(32)), "accepted");
  EXPECT_THAT(rule_of(nested(33)), HasSubstr("deeper than 32"));
  EXPECT_THAT(rule_of(std::string(1'000'000, '[')), HasSubstr("deeper than 32"));
  EXPECT_EQ(rule_of("[1,2,3]", {100, 4}), "accepted");
  EXPECT_THAT(rule_of("[1,2,3,4]", {100, 4}), HasSubstr("too many values"));
  EXPECT_THAT(rule_of("[[],[],[],[]]", {100, 4}), HasSubstr("too many values"));
  EXPECT_THAT(rule_of("[1,2,3]", {6, 100}), HasSubstr("more than 6 bytes"));
}

TEST(JsonFields, NameTheMemberThatIsWrong) {
  const auto root =
      parse_json(R"({"neg":-1,"zero":-0,"float":1.0,"exp":1e2,"huge":9223372036854775808,
                     "top":9223372036854775807,"text":"5","null":null})",
                 kLimits, "thing");
  ASSERT_TRUE(root);
  const JsonFields fields(*root, "thing");
  for (const char* key : {"neg", "zero", "float", "exp", "huge", "text"}) {
    const auto size = fields.size(key);
    ASSERT_FALSE(size) << key;
    EXPECT_EQ(size.error().message,
              "thing: " + std::string(key) + ": not a whole number from 0 to 2^63-1");
  }
  EXPECT_EQ(fields.size("top").value(), 9223372036854775807u);
  EXPECT_EQ(fields.size("null").error().message, "thing: null: missing");
  EXPECT_EQ(fields.size_or("null", 7).value(), 7u);
  EXPECT_EQ(fields.integer_or("neg", 0).value(), -1);
  EXPECT_FALSE(fields.integer_or("huge", 0));
  EXPECT_FALSE(fields.boolean_or("text", false));
  EXPECT_FALSE(fields.string("neg"));
  EXPECT_EQ(fields.string_or("absent", "d").value(), "d");
  EXPECT_FALSE(fields.string_or("neg", "d"));
  EXPECT_FALSE(fields.array("text"));
  EXPECT_FALSE(fields.object_or_null("text"));
  EXPECT_EQ(fields.object_or_null("absent").value(), nullptr);
}

TEST(JsonFields, OfSomethingElseThanAnObjectHasNothing) {
  const auto root = parse_json("[1]", kLimits, "thing");
  EXPECT_FALSE(JsonFields(*root, "thing").size("a"));
}

TEST(JsonQuote, EscapesAndReplaces) {
  EXPECT_EQ(json_quote("a\"\\\n\x01/"), "\"a\\\"\\\\\\n\\u0001/\"");
  EXPECT_EQ(json_quote("é"), "\"é\"");
  EXPECT_EQ(json_quote("\xff"), "\"\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace castool::manifest
