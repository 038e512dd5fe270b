#include "pull/attachments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::pull {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kHub = "https://hub.example";

TEST(WantedAttachments, AreWhatTheOptionsName) {
  const auto all =
      wanted_attachments({{"draft_source_model", "org/draft"},
                          {"source_loras",
                           "a=org/r@x.safetensors,b=org/r@sub/y.safetensors:0.5,c=org/lone,"
                           "d=https://hub.example/org/s/resolve/v1/deep/z.safetensors,"
                           "e=https://else.example/org/s/resolve/v1/z.safetensors,"
                           "f=/local/f.safetensors,all=@a+@b"},
                          {"max_num_seqs", "8"}},
                         kHub);
  ASSERT_TRUE(all) << all.error().text();
  ASSERT_EQ(all->size(), 5u);
  const WantedAttachment& hub_url = (*all)[0];
  const WantedAttachment& url = (*all)[1];
  const WantedAttachment& lone = (*all)[2];
  const WantedAttachment& pair = (*all)[3];
  const WantedAttachment& draft = (*all)[4];
  EXPECT_EQ(hub_url.path, "loras/d");
  EXPECT_EQ(hub_url.source, (manifest::HubSource{"org/s", "v1"}));
  EXPECT_THAT(hub_url.files, ElementsAre("deep/z.safetensors"));
  EXPECT_TRUE(hub_url.flat);
  EXPECT_EQ(url.path, "loras/e");
  EXPECT_EQ(url.address, "https://else.example/org/s/resolve/v1/z.safetensors");
  EXPECT_EQ(lone.path, "loras/org/lone");
  EXPECT_TRUE(lone.lone_adapter);
  EXPECT_EQ(pair.path, "loras/org/r");
  EXPECT_THAT(pair.files, ElementsAre("x.safetensors", "sub/y.safetensors"));
  EXPECT_FALSE(pair.flat);
  EXPECT_EQ(draft.path, "org-draft");
  EXPECT_THAT(draft.files, IsEmpty());
}

TEST(WantedAttachments, RefuseWhatCannotBeFetched) {
  for (const auto& [option, value] :
       std::map<std::string, std::string>{{"draft_source_model", "/a/local/path"},
                                          {"source_loras", "a=org/r,b=org/r@x.safetensors"}}) {
    const auto all = wanted_attachments({{option, value}}, kHub);
    ASSERT_FALSE(all) << value;
    EXPECT_EQ(all.error().code, base::Code::kUsage);
  }
  EXPECT_THAT(wanted_attachments({{"draft_source_model", ""}}, kHub).value(), IsEmpty());
}

}  // namespace
}  // namespace castool::pull
