#include "manifest/hub_json.h"

#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::manifest {
namespace {

using testing::HasSubstr;

std::string recorded(const std::string& name) {
  std::ifstream in(std::string(CASTOOL_TEST_DATA) + "/hub/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(RepoInfo, ReadsARecordedAnswer) {
  const auto info = parse_repo_info(recorded("14_model_info_blobs.json"));
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->id, "openai-community/gpt2");
  EXPECT_EQ(info->sha, "607a30d783dfa663caf39e06633721c8d4cfcd7e");
  EXPECT_FALSE(info->is_private || info->disabled || info->gated);
}

TEST(RepoInfo, KnowsGatedAndDisabled) {
  const std::string sha(40, 'a');
  const auto with = [&sha](const std::string& more) {
    return parse_repo_info(R"({"id":"a/b","sha":")" + sha + "\"" + more + "}");
  };
  EXPECT_TRUE(with(R"(,"gated":"auto")")->gated);
  EXPECT_TRUE(with(R"(,"gated":"manual")")->gated);
  EXPECT_FALSE(with(R"(,"gated":false)")->gated);
  EXPECT_FALSE(with("")->gated);
  EXPECT_TRUE(with(R"(,"private":true)")->is_private);
  EXPECT_TRUE(with(R"(,"disabled":true)")->disabled);
  EXPECT_FALSE(with(R"(,"gated":[])"));
  EXPECT_FALSE(with(R"(,"private":"yes")"));
  EXPECT_FALSE(with(R"(,"id":"c/d")"));
}

TEST(RepoInfo, RefusesGarbage) {
  const std::string sha(40, 'a');
  for (const std::string& json :
       {std::string(), std::string("[]"), std::string("<html>"), std::string(R"({"id":"a/b"})"),
        R"({"sha":")" + sha + "\"}", std::string(R"({"id":"a/b","sha":"main"})"),
        R"({"id":"../b","sha":")" + sha + "\"}", R"({"id":"a\nb","sha":")" + sha + "\"}"}) {
    const auto info = parse_repo_info(json);
    ASSERT_FALSE(info) << json;
    EXPECT_EQ(info.error().code, base::Code::kBadManifest);
  }
}

TEST(TreePage, ReadsARecordedAnswer) {
  const auto files = parse_tree_page(recorded("01_tree_recursive.json"));
  ASSERT_TRUE(files) << files.error().message;
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[0].path, "config.json");
  EXPECT_EQ((*files)[0].size, 665u);
  EXPECT_EQ((*files)[0].oid.hex(), "10c66461e4c109db5a2196bff4bb59be30396ed8");
  EXPECT_FALSE((*files)[0].lfs_sha256);
  EXPECT_EQ((*files)[1].size, 548105171u);
  EXPECT_EQ((*files)[1].lfs_sha256->hex(),
            "248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707");
}

std::string entry(const std::string& path, const std::string& size, const std::string& more = "") {
  return R"([{"type":"file","oid":")" + std::string(40, 'a') + R"(","size":)" + size +
         R"(,"path":")" + path + "\"" + more + "}]";
}

TEST(TreePage, RefusesWhatItCannotTrust) {
  const std::string sha(64, 'b');
  EXPECT_TRUE(parse_tree_page("[]")->empty());
  EXPECT_TRUE(parse_tree_page(entry("a b#%.txt", "0")));
  EXPECT_TRUE(parse_tree_page(R"([{"type":"directory","path":"../x"}])")->empty());
  const std::string lfs = R"(,"lfs":{"oid":")" + sha + R"(","size":5,"pointerSize":134})";
  EXPECT_TRUE(parse_tree_page(entry("a", "5", lfs)));
  for (const std::string& json :
       {entry("../a", "1"), entry("/a", "1"), entry("a\\\\b", "1"), entry("a\\u0000", "1"),
        entry(".git/config", "1"), entry("a", "-1"), entry("a", "1.0"), entry("a", "1e400"),
        entry("a", "6", lfs), entry("a", "5", R"(,"lfs":{"oid":"x","size":5})"),
        entry("a", "5", R"(,"lfs":{"oid":")" + std::string(64, 'B') + R"(","size":5})"),
        entry("a", "5", R"(,"lfs":[])"), entry("a", "1", R"(,"path":"b")"),
        std::string(R"([{"type":"file","path":"a","size":1}])"), std::string(R"([{"path":"a"}])"),
        std::string("[1]"), std::string(R"({"error":"x"})"), std::string("<html>"),
        std::string(1'000'000, '[')}) {
    const auto files = parse_tree_page(json);
    ASSERT_FALSE(files) << json.substr(0, 200);
    EXPECT_EQ(files.error().code, base::Code::kBadManifest);
  }
}

TEST(NextLink, ReadsARecordedHeader) {
  const std::string answer = recorded("02_tree_page1_headers.http");
  const std::size_t begin = answer.find("link: ") + 6;
  const auto next = next_link(answer.substr(begin, answer.find('\n', begin) - begin));
  ASSERT_TRUE(next);
  EXPECT_THAT(*next, testing::StartsWith("https://huggingface.co/api/datasets/allenai/c4/tree/"));
  EXPECT_THAT(*next, testing::EndsWith("OjEwMDA%3D"));
}

TEST(NextLink, FollowsTheGrammar) {
  EXPECT_EQ(next_link("<u>; rel=\"next\""), "u");
  EXPECT_EQ(next_link("<u>;rel=next"), "u");
  EXPECT_EQ(next_link("<u>; REL = \"NEXT\""), "u");
  EXPECT_EQ(next_link("<u>; title=\"a,b;c\\\"\"; rel=\"last next\""), "u");
  EXPECT_EQ(next_link("<p?a=1,2>; rel=\"prev\", <n?a=1,2;3>; rel=\"next\""), "n?a=1,2;3");
  EXPECT_EQ(next_link(" , <u>; rel=\"next\""), "u");
  EXPECT_EQ(next_link("<u>; rel=prev; rel=next"), std::nullopt);  // the first one counts
  for (const std::string none : {"", "u; rel=next", "<u>", "<u>; rel=\"prev\"", "<u; rel=next",
                                 "<u>; rel=\"nextish\"", "<>; rel=next", "<a b>; rel=next",
                                 "<a\r\nX: y>; rel=next", "<u> x; rel=next", ";", ",,,"}) {
    EXPECT_EQ(next_link(none), std::nullopt) << none;
  }
}

TEST(ErrorSentence, ReadsEveryShape) {
  EXPECT_EQ(error_sentence(R"({"error":"Not found"})"), "Not found");
  EXPECT_EQ(error_sentence(R"({"error":["a","b"]})"), "a; b");
  EXPECT_EQ(error_sentence(R"({"error":"x","error_description":"why"})"), "x; why");
  EXPECT_EQ(error_sentence(R"({"errors":[{"code":"C","message":"m"},{"message":"n"}]})"), "m; n");
  EXPECT_EQ(error_sentence(R"({"error":{"a":1}})"), "");
  EXPECT_EQ(error_sentence("Entry not found"), "");
  EXPECT_EQ(error_sentence("<html>"), "");
  EXPECT_EQ(error_sentence(""), "");
  EXPECT_EQ(error_sentence(R"({"error":"a\r\nb\u001b[31m\u009bx"})"), "a  b [31m x");
}

TEST(ErrorSentence, IsCutBetweenCharacters) {
  const std::string body = R"({"error":"a)" + std::string(400, 'x') + "\"}";
  EXPECT_EQ(error_sentence(body).size(), 300u);
  std::string wide;
  for (int i = 0; i < 200; ++i) wide += "é";
  EXPECT_EQ(error_sentence("{\"error\":\"a" + wide + "\"}").size(), 299u);
}

}  // namespace
}  // namespace castool::manifest
