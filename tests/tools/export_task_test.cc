#include "tools/export_task.h"

#include <gtest/gtest.h>

namespace castool::tools {
namespace {

TEST(ExportTask, IsWhatTheModelIs) {
  const auto of = [](const char* config) { return export_task("text_generation", config, ""); };
  EXPECT_EQ(of(R"({"architectures":["LlamaForCausalLM"]})"), "text-generation-with-past");
  EXPECT_EQ(of(R"({"architectures":["T5ForConditionalGeneration"],"is_encoder_decoder":true})"),
            "text2text-generation-with-past");
  EXPECT_EQ(of(R"({"is_encoder_decoder":false})"), "text-generation-with-past");
  EXPECT_EQ(of(R"({"architectures":["Qwen2VLForConditionalGeneration"],"vision_config":{}})"),
            "image-text-to-text");
  EXPECT_EQ(of(R"({"architectures":["Phi3VForCausalLM"],"img_processor":{}})"),
            "image-text-to-text");
  EXPECT_EQ(of(""), "text-generation-with-past");
  EXPECT_EQ(of("[]"), "text-generation-with-past");
}

TEST(ExportTask, IsWhatThePipelineIs) {
  const auto of = [](const char* index) { return export_task("image_generation", "", index); };
  EXPECT_EQ(of(R"({"_class_name":"StableDiffusionXLPipeline"})"), "text-to-image");
  EXPECT_EQ(of(R"({"_class_name":"StableDiffusionInpaintPipeline"})"), "inpainting");
  EXPECT_EQ(of(R"({"_class_name":"FluxFillPipeline"})"), "inpainting");
  EXPECT_EQ(of(R"({"_class_name":"FluxKontextPipeline"})"), "image-to-image");
  EXPECT_EQ(of(R"({"_class_name":"StableDiffusionXLImg2ImgPipeline"})"), "image-to-image");
  EXPECT_EQ(of(R"({"_class_name":3})"), "text-to-image");
}

TEST(ExportTask, FollowsFromTheUseOfOthers) {
  EXPECT_EQ(export_task("speech2text", "{}", ""), "automatic-speech-recognition-with-past");
  EXPECT_EQ(export_task("text2speech", "{}", ""), "text-to-audio-with-past");
  EXPECT_EQ(export_task("embeddings", "{}", ""), "");  // the command says it
  EXPECT_EQ(export_task("rerank", "{}", ""), "");
}

}  // namespace
}  // namespace castool::tools
