#include "manifest/ovms_loras.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manifest/ovms_gguf.h"

namespace castool::manifest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(SourceLoras, ReadsEveryKindOfSource) {
  const auto loras = parse_source_loras(
      "a=org/repo@sub/w.safetensors:0.8,b=https://h:8080/x/y.safetensors:2,c=./local.safetensors,"
      "d=org/other:1.0,mix=@a:0.7+@b");
  ASSERT_TRUE(loras) << loras.error().text();
  ASSERT_EQ(loras->adapters.size(), 4u);
  EXPECT_EQ(loras->adapters[0].graph_path(), "loras/org/repo/sub/w.safetensors");
  EXPECT_EQ(loras->adapters[0].alpha, "0.8");
  EXPECT_EQ(loras->adapters[1].source, "https://h:8080/x/y.safetensors");
  EXPECT_EQ(loras->adapters[1].graph_path(), "loras/b/y.safetensors");
  EXPECT_EQ(loras->adapters[1].alpha, "2");
  EXPECT_EQ(loras->adapters[2].graph_path(), "./local.safetensors");
  EXPECT_EQ(loras->adapters[3].graph_path(), "loras/org/other");
  EXPECT_EQ(loras->adapters[3].alpha, std::nullopt);
  ASSERT_EQ(loras->composites.size(), 1u);
  EXPECT_EQ(loras->composites[0].components[0].alpha, "0.7");
  EXPECT_EQ(loras->composites[0].components[1].alias, "b");
}

TEST(SourceLoras, PrintsWhatItReads) {
  for (const std::string text :
       {"", "a=org/repo", "a=org/repo@f.safetensors:0.5,b=/x/y.safetensors,all=@a+@b:0.25",
        "a=https://h/f.safetensors:2"}) {
    const auto loras = parse_source_loras(text);
    ASSERT_TRUE(loras) << loras.error().text();
    EXPECT_EQ(print_source_loras(*loras), text);
  }
}

TEST(SourceLoras, RefusesWhatIsNone) {
  for (const std::string text :
       {"x", "=org/repo", "a b=org/repo", "a=", "a=org", "a=org/repo/more", "a=org/repo@f.bin",
        "a=org/repo@../f.safetensors", "a=https://h/f.bin", "a=https://h/f.safetensors?x=1",
        "a=https://h/.safetensors", "a=org/repo,a=org/other", "a=org/repo,", "m=@a", "m=@a+b",
        "a=org/repo,m=@", "a=org/repo,m=@a:x"}) {
    const auto loras = parse_source_loras(text);
    ASSERT_FALSE(loras) << text;
    EXPECT_EQ(loras.error().code, base::Code::kUsage);
    EXPECT_THAT(loras.error().message, HasSubstr("source_loras"));
  }
}

TEST(GgufParts, AreOneFileOrAllParts) {
  EXPECT_THAT(gguf_parts("x-Q4_K_M.gguf").value(), ElementsAre("x-Q4_K_M.gguf"));
  EXPECT_THAT(gguf_parts("sub/x-00001-of-00003.gguf").value(),
              ElementsAre("sub/x-00001-of-00003.gguf", "sub/x-00002-of-00003.gguf",
                          "sub/x-00003-of-00003.gguf"));
}

TEST(GgufParts, RefuseOtherParts) {
  for (const std::string name :
       {"x-00002-of-00002.gguf", "x-of-y.gguf", "x-0001-of-0002.gguf", "x-00001-of-00000.gguf",
        "-of-00001.gguf", "x00001-of-00002.gguf", "x-00001-of-00002.bin"}) {
    const auto parts = gguf_parts(name);
    ASSERT_FALSE(parts) << name;
    EXPECT_EQ(parts.error().code, base::Code::kUnsupported);
    EXPECT_THAT(parts.error().text(), HasSubstr(name));
  }
  EXPECT_EQ(gguf_parts("../x.gguf").error().code, base::Code::kUsage);
  EXPECT_EQ(gguf_parts("").error().code, base::Code::kUsage);
}

}  // namespace
}  // namespace castool::manifest
