"""Limits are read from the sentences of a description, each with its exact words; what is not certain is reported as unclear."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seedance_nb as sd
from seedance_nb._check.check import check
from seedance_nb._document.load import model_names
from seedance_nb._document.prose import Rule, read_rules
from seedance_nb._document.reader import packaged
from seedance_nb._document.spec import named_fields

NUMBERS = st.integers(min_value=1, max_value=9000)


def limit_of(rule: Rule) -> tuple[Any, ...]:
    return (*((name, bound) for name, bound in rule.limit.items() if name != "any"), *rule.limit.get("any", ()))


def said(description: str, name: str = "image_url", kind: str = "string") -> set[tuple[Any, ...]]:
    """The certain rules of a description: kind, then bounds or values, and the condition if there is one."""
    return {
        (rule.kind, *limit_of(rule), *([f"when {rule.when}"] if rule.when else []))
        for rule in read_rules(name, kind, description)
        if rule.kind != "unclear" and not rule.hint
    }


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("The picture may weigh up to 12 MB.", ("megabytes", ("to", 12))),
        ("Keep the upload smaller than 500 KB", ("megabytes", ("under", 0.5))),
        ("Each side at least 320 px", ("width", ("from", 320))),
        ("Shorter side no less than 320 pixels", ("height", ("from", 320))),
        ("Aspect ratio between 1:4 and 4:1", ("ratio", ("from", 0.25), ("to", 4))),
        ("Aspect ratio (width/height): (0.5, 2)", ("ratio", ("over", 0.5), ("under", 2))),
        ("Total pixels must not exceed 2,000,000", ("pixels", ("to", 2_000_000))),
        ("Only PNG, JPEG and WebP are taken", ("formats", "png", "jpeg", "webp")),
        ("Sending base64 is not supported: Base64 is not supported", ("base64",)),
        ("文件大小不超过8MB", ("megabytes", ("to", 8))),
        ("图片宽高比在 1:3 到 4:3 之间", ("ratio", ("from", 0.333333), ("to", 1.333334))),
        ("Aspect ratio greater than 2:3 and less than 4:3", ("ratio", ("over", 0.666667), ("under", 1.333333))),
        ("宽高均不小于 200 像素", ("height", ("from", 200))),
        ("格式：jpg、png", ("formats", "jpg", "png")),
        ("Width/height (px): [64, 640]", ("width", ("from", 64), ("to", 640))),
        ("At most 900 pixels tall", ("height", ("to", 900))),
    ],
)
def test_a_sentence_about_a_file_is_a_rule(sentence: str, rule: tuple[Any, ...]) -> None:
    assert rule in said(sentence)


VALUES: list[tuple[str, str, str, tuple[Any, ...]]] = [
    ("video_url", "string", "The clip must be 3 to 20 seconds long", ("seconds", ("from", 3), ("to", 20))),
    ("video_url", "string", "At most 2 minutes", ("seconds", ("to", 120))),
    ("video_urls", "array", "all clips together at most 40 s in total", ("total_seconds", ("to", 40))),
    ("video_url", "string", "Frame rate: 20-50 FPS", ("fps", ("from", 20), ("to", 50))),
    ("image_urls", "array", "Up to six images", ("count", ("to", 6))),
    ("image_urls", "array", "最多上传 5 张图片", ("count", ("to", 5))),
    ("prompt", "string", "No more than 900 characters", ("chars", ("to", 900))),
    ("prompt", "string", "长度不超过 700 个字符", ("chars", ("to", 700))),
    ("seed", "integer", "A number from 0 to 99", ("range", ("from", 0), ("to", 99))),
    ("strength", "number", "取值范围：(0, 1]", ("range", ("over", 0), ("to", 1))),
    ("width", "integer", "Must be divisible by 8", ("multiple", "8")),
    ("mode", "string", "Must be one of `slow`, `quick`", ("enum", "slow", "quick")),
    ("mode", "string", "可选值：`slow`、`quick`", ("enum", "slow", "quick")),
    ("duration", "integer", "Allowed values: 5, 10", ("enum", "5", "10")),
    ("mode", "string", "Default: `slow`", ("default", "slow")),
    ("mode", "string", "默认值为 slow", ("default", "slow")),
    ("a", "string", "Cannot be used together with `b`.", ("exclusive", "b")),
    ("a", "string", "At least one of `b` or `c` must be given", ("required_any", "b", "c")),
    ("a", "string", "Exactly one of `b` or `c`", ("required_one", "b", "c")),
    ("a", "string", "Required when `b` is `x`", ("required_when", "b")),
    ("a", "string", "Requires `b_c`.", ("requires", "b_c")),
    ("a", "string", "需配合 `b` 一起使用", ("requires", "b")),
    ("a", "string", "Deprecated, use `b` instead", ("deprecated", "b")),
    ("a", "string", "Deprecated: prefer `b`", ("deprecated", "b")),
    ("prompt", "string", "Refer to the pictures as [Image1], [Image2].", ("placeholder", "[Image1]")),
    ("duration", "string", "Formula: seconds x 12 credits", ("price", "12")),
    ("length_ms", "integer", "Between 2 seconds and 9000 ms", ("range", ("from", 2000), ("to", 9000))),
    ("length", "integer", "Length in minutes, at most 1 hour", ("range", ("to", 60))),
    ("timeout", "integer", "Wait in milliseconds (max 7000)", ("range", ("to", 7000))),
    ("audio_file", "string", "支持.mp3.ogg格式", ("formats", "mp3", "ogg")),
    ("seed", "integer", "Whole numbers from 2 up to 12", ("range", ("from", 2), ("to", 12))),
    ("count", "integer", "How many to return (1, 2 or 4).", ("enum", "1", "2", "4")),
    ("mode", "string", "取值说明：\nslow：慢；\nquick：快。", ("enum", "slow", "quick")),
    ("mode", "string", "可选值：`slow`（慢）、`quick`（快）", ("enum", "slow", "quick")),
    ("mode", "string", "取值范围 slow/quick/odd", ("enum", "slow", "quick", "odd")),
    ("mode", "boolean", "`true`（默认值）：快", ("default", "true")),
    ("steps", "integer", "Any whole number; 5 if omitted", ("default", "5")),
    ("images", "array", "Pictures (1-4).", ("count", ("from", 1), ("to", 4))),
    ("prompt", "string", "Minimum characters: 3", ("chars", ("from", 3))),
    ("prompt", "string", "最多支持 80 个 utf-8 字符", ("chars", ("to", 80))),
    ("a", "string", "At least one of a or b must be given", ("required_any", "b")),
    ("a", "string", "Either this or `b` must be given", ("required_any", "b")),
    ("a", "string", "描述（与 b_c 二选一）", ("required_any", "b_c")),
    ("a", "string", "Can only be used with `b`.", ("requires", "b")),
    ("voice", "string", "Audio URL. Formats: MP3, WAV", ("formats", "mp3", "wav")),
    ("seed", "integer", "取值 3 或更大", ("range", ("from", 3))),
    ("masks", "array", "最多可配置 4 组", ("count", ("to", 4))),
    ("format", "string", "支持的格式有 aa, bb 和 cc。", ("enum", "aa", "bb", "cc")),
    ("weight", "number", "How strong, 0.0–2.0; 0.7 by default.", ("default", "0.7")),
    (
        "speed",
        "number",
        "Values below 0.7 may cause noise. Must be between 0.4 and 3.",
        ("range", ("from", 0.4), ("to", 3)),
    ),
    ("size", "string", "Only 640x360 is supported.", ("enum", "640x360")),
    ("a_b", "string", "`a_b` 参数与 `c_d` 参数至少二选一", ("required_any", "c_d")),
    ("mode", "string", "当 `type` 为 `plain` 时必填", ("required_when", "type")),
    ("start", "string", "Source image. Up to 9MB or 12 megapixels", ("pixels", ("to", 12_000_000))),
    ("ratio", "string", "16:9, 4:3 or 1:1", ("enum", "16:9", "4:3", "1:1")),
    ("shape", "string", "How wide it is (4:3 or 1:1).", ("enum", "4:3", "1:1")),
    ("size", "string", "Picture size: 320x320, 640x640. Default: 320x320", ("enum", "320x320", "640x640")),
    ("mode", "string", "slow (default), quick, odd", ("enum", "slow", "quick", "odd")),
    ("mode", "string", "slow (default), quick, odd", ("default", "slow")),
    ("reply_type", "string", "Reply type: url or data. More text", ("enum", "url", "data")),
    ("kind", "string", "a_b 或 c_d", ("enum", "a_b", "c_d")),
    ("kind", "string", "固定值：slow", ("enum", "slow")),
    ("kind", "string", "What it is.\n- Allowed: aa, bb\n- More", ("enum", "aa", "bb")),
    ("kind", "string", "取值如下： - aa：慢 - bb：快", ("enum", "aa", "bb")),
    ("quality", "string", "2k only", ("enum", "2k")),
    ("kind", "string", "<p>Only <code>slow</code>  is supported.</p>", ("enum", "slow")),
    ("factor", "integer", "Possible values: [2, 4]", ("enum", "2", "4")),
    ("steps", "integer", "Must be greater than or equal to 3", ("range", ("from", 3))),
    ("steps", "integer", "`4` is the default.", ("default", "4")),
    ("mode", "string", "If not given, it will default to `slow`.", ("default", "slow")),
    ("images", "array", "Pictures. Max 7.", ("count", ("to", 7))),
    ("tags", "array", "Up to 6 tags", ("count", ("to", 6))),
    ("clip_url", "string", "视频。时长范围：[3s, 20s]", ("seconds", ("from", 3), ("to", 20))),
    ("image_url", "string", "宽或高 ≥ 90px", ("width", ("from", 90))),
    ("image_url", "string", "仅支持 URL（不再支持 base64）", ("base64",)),
    ("a", "string", "`a` is deprecated and has no effect", ("deprecated",)),
    ("width", "integer", "If width is given, height must also be given", ("requires", "height")),
    ("a", "string", "Use either `b` or `c` for it, but not both", ("required_one", "b", "c")),
    ("a", "string", "Text; cannot be empty together with b", ("required_any", "b")),
    ("a", "string", "Only valid when `b` is set to `x`", ("only_when", "b")),
    ("a", "string", "Used by big models only", ("only_when",)),
    ("a", "string", "b=x 时必填", ("required_when", "b")),
    ("a", "string", "It is mutually exclusive with b_c, if both are given b_c wins", ("exclusive", "b_c")),
    ("kind", "string", "Valid values:\n- Big: one.\n- Small: two.", ("enum", "Big", "Small")),
    ("mode", "string", "slow or quick. How it runs.", ("enum", "slow", "quick")),
    ("kind", "integer", "What it is. 0: slow, 1: quick", ("enum", "0", "1")),
    ("kind", "string", "This must be set to `slow`.", ("enum", "slow")),
    ("kind", "string", 'Currently only "slow" is supported', ("enum", "slow")),
    ("a", "string", "Must provide either a or b", ("required_any", "b")),
    (
        "a",
        "string",
        "At least one parameter must be set between parameter a and parameter b",
        ("required_any", "b"),
    ),
    ("clip", "string", "It is referred to as @video_1.", ("placeholder", "@video_1")),
    ("a", "string", "Only used in slow mode (ignored otherwise).", ("only_when",)),
    ("kind", "string", "Supported shapes: 1:1,\n2:3 or 3:2", ("enum", "1:1", "2:3", "3:2")),
    ("mode", "string", "Run mode: 'aa' (a long explanation of it), 'bb' (short)", ("enum", "aa", "bb")),
    ("n", "integer", "How many, ranging between 1\nand 70", ("range", ("from", 1), ("to", 70))),
    ("images", "array", "Pictures. Minimum 2, maximum 4.", ("count", ("from", 2), ("to", 4))),
    ("a", "string", "`b` 参数不为空时,当前参数必填", ("required_when", "b")),
    ("a_b", "string", "必传 a_b 或 c_d", ("required_any", "c_d")),
    ("a", "boolean", "Not available when a `b` is set.", ("exclusive", "b")),
    ("mode", "string", "'slow' | 'quick'", ("enum", "slow", "quick")),
    ("kind", "integer", "类型：0：慢，但准。1：快。2：最快", ("enum", "0", "1", "2")),
    ("ratio", "string", "Only 1:1 ratio is supported for now", ("enum", "1:1")),
    ("kind", "string", "What it is. Always `slow`.", ("enum", "slow")),
    ("kind", "string", "包含如下取值： - aa - bb - cc", ("enum", "aa", "bb", "cc")),
    ("kind", "string", "类型，取值： - aa：慢 - bb：快", ("enum", "aa", "bb")),
    ("data", "string", "Required when type is RAW.", ("required_when", "type")),
    ("n", "integer", "当前只支持配置为 1。", ("enum", "1")),
    ("model_name", "string", "模型名称:ab-1、ab-2", ("enum", "ab-1", "ab-2")),
    ("model_name", "string", "模型名称:ab-1 / ab-2.5", ("enum", "ab-1", "ab-2.5")),
    ("model", "string", "模型,取值: ab-1", ("enum", "ab-1")),
    ("kind", "integer", "类型:0-慢;1-快;", ("enum", "0", "1")),
    ("kind", "string", "可选值如下: - aa,默认 aa - bb - cc", ("enum", "aa", "bb", "cc")),
    ("mode", "string", "How it runs, enumeration value: aa (slow) or bb (quick).", ("enum", "aa", "bb")),
    ("shape", "string", "Choose `4:3` or `free` via `shape`.", ("enum", "4:3", "free")),
    ("fps", "integer", "Frames (20, 40, or 60, default: 20)", ("enum", "20", "40", "60")),
    ("length", "integer", "Length of the generated film. Valid values are 3, 6, 9.", ("enum", "3", "6", "9")),
    ("size", "string", "Sizes: `640*360` (default), `360*640`", ("default", "640*360")),
    ("size", "string", "Default: 640*360", ("default", "640*360")),
    ("model", "string", "Which one. Defaults to\nab_one.", ("default", "ab_one")),
    ("a", "boolean", "开启后更快 • 仅 ab-two-plus 系列支持", ("only_when",)),
    ("size", "string", "格式:宽*高, 300~900 像素", ("width", ("from", 300), ("to", 900))),
    ("image_url", "string", "暂不支持 base 64", ("base64",)),
    ("frames", "integer", "Must follow the formula 6*k + 1.", ("multiple", "6", "1")),
    ("prompt", "string", "Up to 90 English characters", ("chars", ("to", 90))),
    ("prompt", "string", "The character limit is 90 characters.", ("chars", ("to", 90))),
    ("clip_url", "string", "3秒<时长<90秒", ("seconds", ("over", 3), ("under", 90))),
    ("clip_url", "string", "20fps≤帧率≤50fps", ("fps", ("from", 20), ("to", 50))),
    ("n", "integer", "1 <= n < 7", ("range", ("from", 1), ("under", 7))),
    ("n", "integer", "范围 [0, 70]。相同的值可提高一致性", ("range", ("from", 0), ("to", 70))),
    ("mode", "string", '"aa" 或 "bb"(默认)。', ("enum", "aa", "bb")),
    ("mode", "string", '"aa"(默认,由模型决定)', ("default", "aa")),
    ("mode", "string", "必须设为 ab_cd。", ("enum", "ab_cd")),
    ("mode", "string", "方式:允许值:aa、bb", ("enum", "aa", "bb")),
    ("mode", "string", "方式:aa(慢速)、bb(正常)", ("enum", "aa", "bb")),
    ("mode", "string", "当前为aa(慢速),bb(正常)", ("enum", "aa", "bb")),
    ("mode", "string", "支持 aa(慢速)、bb(正常)、cc", ("enum", "aa", "bb", "cc")),
    ("mode", "string", "方式(aa, bb, cc)默认 aa", ("enum", "aa", "bb", "cc")),
    ("model", "string", "Currently only ab-2.5 is supported.", ("enum", "ab-2.5")),
    ("ratio", "string", "宽高比:4:3/1:1/3:4", ("enum", "4:3", "1:1", "3:4")),
    ("urls", "array", "必须包含恰好 3 个 URL。", ("count", ("from", 3), ("to", 3))),
    ("images", "array", "Pictures (optional, up to 7)", ("count", ("to", 7))),
    ("prompt", "string", "不能超过 90 码位", ("chars", ("to", 90))),
    ("image_url", "string", "should have an area of less than 90x70 pixels.", ("pixels", ("under", 6300))),
    ("clip_url", "string", "Public `http` or `https` link", ("public_url",)),
    ("a", "string", "Only for quick videos.", ("only_when",)),
    ("a", "string", "Takes effect only when `b` is set to\n`x`.", ("only_when", "b")),
    ("a", "string", "图片(重绘时必填)", ("required_when",)),
    ("a", "string", "未使用首帧时,当前参数必填", ("required_when",)),
    ("mode", "string", "方式 枚举值:aa,bb 其中aa:慢速", ("enum", "aa", "bb")),
    ("mode", "string", "方式 枚举值:aa 当b_c参数为true时,当前参数必填", ("enum", "aa")),
    ("mode", "string", "方式 枚举值:aa 当b_c参数为true时,当前参数必填", ("required_when", "b_c")),
    ("model", "string", "支持的模型:`ab-1`。", ("enum", "ab-1")),
    ("rate", "integer", "范围[8000,16000,24000]", ("enum", "8000", "16000", "24000")),
    ("mode", "string", "任务类型: aa, bb, cc", ("enum", "aa", "bb", "cc")),
    ("mode", "string", "必须是 aa 或 b_c 之一。", ("enum", "aa", "b_c")),
    ("length", "string", '`"3"` 或 `"9"` 秒', ("enum", "3", "9")),
    ("mask_url", "string", "必须是有效的 PNG 文件", ("formats", "png")),
    ("size", "string", "0.7K 只是小图。可选值:`0.7K`、`1K`", ("enum", "0.7K", "1K")),
    ("a", "string", "此参数仅适用于 b_c", ("only_when", "b_c")),
    ("a", "string", "传该参数时,需同时传b_c、d_e", ("requires", "b_c", "d_e")),
    ("a", "string", "a_b、c_d至少一个必填", ("required_any", "a_b", "c_d")),
    ("width", "integer", "宽度(像素,9 的倍数)", ("multiple", "9")),
    ("voices", "array", "仅新版模型支持当前参数生成影片时所引用的列表 至多引用4个", ("count", ("to", 4))),
    ("prompt", "string", "用 <picture n> 指代素材", ("placeholder", "<picture n>")),
    ("n", "integer", "影片数量,默认生成2个。", ("default", "2")),
    ("image_url", "string", "支持 png、jpeg、gif及webp", ("formats", "png", "jpeg", "gif", "webp")),
    ("mode", "string", "可选值:`aa`、`bb`以及`cc`", ("enum", "aa", "bb", "cc")),
    ("model", "string", "支持值:AB1。", ("enum", "AB1")),
    ("size", "string", "默认分辨率为 360p。支持选择 360p 或 540p。", ("default", "360p")),
    ("size", "string", "默认分辨率为 360p。支持选择 360p 或 540p。", ("enum", "360p", "540p")),
    ("size", "string", "不传默认使用640:360。", ("default", "640:360")),
    ("kind", "integer", "是否改写。 0:关闭 1:开启", ("enum", "0", "1")),
    ("length", "integer", "3 | 6 | 9 (optional) - how long it is", ("enum", "3", "6", "9")),
    ("size", "string", "仅支持:360p,540p 示例值:360p", ("enum", "360p", "540p")),
    ("prompt", "string", "Refer to it as @thing{thing_id}.", ("placeholder", "@thing{thing_id}")),
    ("rows", "integer", "From 60 to 900, divisible by 9", ("range", ("from", 60), ("to", 900))),
    ("rows", "integer", "Counted in increments of 9", ("multiple", "9")),
    ("shift", "integer", "Semitones (−9 to +9)", ("range", ("from", -9), ("to", 9))),
    ("prompt", "string", "=< 900 characters", ("chars", ("to", 900))),
    ("prompt", "string", "Range: 1 <= x <= 900", ("chars", ("from", 1), ("to", 900))),
    ("voice", "string", "音色,默认aa_common_bb。", ("default", "aa_common_bb")),
    ("sound", "boolean", "As the page says, true if not set.", ("default", "true")),
    ("n", "integer", "片长。可用值:3 或 9(9 秒仅支持 360P)", ("enum", "3", "9")),
    ("model", "string", "仅支持 Aa-02(不支持 360P)", ("enum", "Aa-02")),
    ("model", "string", "What it runs on. Set to aa-v2", ("enum", "aa-v2")),
    ("kind", "string", "取值有: Aa:一; Bb:二。", ("enum", "Aa", "Bb")),
    ("a", "string", "当 B 取值为 Cc 时,本参数有效", ("only_when", "B")),
    ("a", "string", "续写时需填写该参数", ("required_when",)),
    ("a", "integer", "Must be sent together with bcd.", ("requires", "bcd")),
    ("sound_url", "string", "支持Base64编码的.mp3/.wav,格式不匹配会返回错误等信息", ("formats", "mp3", "wav")),
    ("image_url", "string", "支持.jpg / .gif /\n.png", ("formats", "jpg", "gif", "png")),
    ("n", "integer", "片长,只支持以下值\n • 3 - 3秒\n • 9 - 9秒", ("enum", "3", "9")),
    ("shape", "string", "画面可选值:\n • 4:3 - 横\n • 3:4 - 竖\n传入其他值会返回错误", ("enum", "4:3", "3:4")),
    ("size", "string", "清晰度。\n • 360p:小\n • 540p:大\n传入其它值会返回错误", ("enum", "360p", "540p")),
    ("model", "string", '型号 "a1","b2", "c3"', ("enum", "a1", "b2", "c3")),
    ("speed", "number", "It will only be considered if `b_c` is set.", ("only_when", "b_c")),
    ("n", "integer", "Either 4 or 9.", ("enum", "4", "9")),
    ("n", "integer", "时长,只有4秒和9秒", ("enum", "4", "9")),
    ("n", "integer", "More than 9 is not supported.", ("range", ("to", 9))),
    ("n", "integer", "[ 3 .. 9 ] How many there are.", ("range", ("from", 3), ("to", 9))),
    ("n", "integer", "How many there are; capped at 9", ("range", ("to", 9))),
    ("kind", "string", "enum: [aa, bb]", ("enum", "aa", "bb")),
    ("kind", "string", "Choice between: aa, bb, or cc.", ("enum", "aa", "bb", "cc")),
    ("kind", "string", "The kind, either 'aa' or 'bb'", ("enum", "aa", "bb")),
    ("kind", "string", "'aa' for short ones, 'bb' for long ones.", ("enum", "aa", "bb")),
    ("kind", "string", "'a' 表示男,'b' 表示女。", ("enum", "a", "b")),
    ("kind", "string", "aa / bb_c / dd,默认为 aa", ("enum", "aa", "bb_c", "dd")),
    ("kind", "string", "当前支持2种样式:aa、bb。", ("enum", "aa", "bb")),
    ("kind", "string", "可用选项: `aa, bb, cc`", ("enum", "aa", "bb", "cc")),
    ("kind", "string", "Where it goes.\n`aa` - to the left\n`bb` - to the right\n", ("enum", "aa", "bb")),
    ("size", "string", "Only 900p is offered.", ("enum", "900p")),
    ("size", "string", "Supports `aa` and `bb`. Not for `m-1` or `m-2`.", ("enum", "aa", "bb")),
    ("size", "string", "By default, it is set to 900p.", ("default", "900p")),
    ("shape", "string", "The shape is 4:3 by default", ("default", "4:3")),
    ("kind", "string", "Defaults to Big server-side when omitted.", ("default", "Big")),
    ("rate", "integer", "默认90 kb/s,可改", ("default", "90")),
    ("images", "array", "Only one image is supported.", ("count", ("to", 1))),
    ("images", "array", "仅接受 1 张图像", ("count", ("to", 1))),
    ("stops", "array", "Up to 4 sequences end it.", ("count", ("to", 4))),
    ("tags", "array", "Exactly one entry: a word.", ("count", ("from", 1), ("to", 1))),
    ("a", "string", "Must be used with bcd.", ("requires", "bcd")),
    ("a", "string", "It needs b_c set to true.", ("requires", "b_c")),
    ("a", "string", "传入时 bcd 为必填", ("requires", "bcd")),
    ("a", "string", "Requires the bcd parameter set to true.", ("requires", "bcd")),
    ("a", "string", "不可与 b_c 混用", ("exclusive", "b_c")),
    ("a", "string", "使用 `b_c` 时不可同时传入", ("exclusive", "b_c")),
    ("a", "string", "Required when bcd is empty.", ("required_when", "bcd")),
    ("a", "string", "If the bcd is edit, this parameter is required", ("required_when", "bcd")),
    ("a", "string", "Either a or bcd must be provided (or both)", ("required_any", "bcd")),
    ("a", "string", "该字段和 b_c 字段二者填其一", ("required_one", "b_c")),
    ("a", "integer", "Only works if `b_c` is set to free.", ("only_when", "b_c")),
    ("a", "string", "只有b_c不为空时生效", ("only_when", "b_c")),
    ("image_url", "string", "A PNG or JPEG. GIF and BMP are not supported.", ("formats", "png", "jpeg")),
    ("image_url", "string", "支持 png、jpg 格式，不支持 gif、bmp 格式", ("formats", "png", "jpg")),
    ("image_url", "string", "Formats:\n- png\n- webp", ("formats", "png", "webp")),
    ("n", "integer", "For `m-1`, default is 6.", ("default", "6", "when For `m-1`")),
]


@pytest.mark.parametrize(("name", "kind", "sentence", "rule"), VALUES)
def test_a_sentence_about_a_value_is_a_rule(name: str, kind: str, sentence: str, rule: tuple[Any, ...]) -> None:
    assert rule in said(sentence, name, kind)


BROKEN: tuple[Any, ...] = (-9, 0, 0.123, 10**9, "", "?", "?" * 21_000, [], ["?"] * 400, "file:///a.png", "data:image/png;base64,AA==")  # fmt: skip


def test_a_problem_quotes_the_sentence_of_the_rule_that_is_broken() -> None:
    tables = [*packaged("_prose")["keywords"].values()]
    kinds = {word.split()[0]: {kind} for one in tables for kind, words in one.items() for word in words.values()}
    quoted = 0
    for name, kind, sentence, _ in VALUES:
        field: dict[str, Any] = {"type": kind, "description": f"What this is about. {sentence}"}
        field |= {"items": {"type": "string"}} if kind == "array" else {}
        spec = sd.spec({"type": "object", "properties": {name: field}})
        rules = [rule for rule in spec.rules if not (rule.when or rule.hint)]
        for problem in [one for value in BROKEN for one in check(spec, {name: value})]:
            media = {"base64" if str(problem.value).startswith("data:") else "schemes"}
            quotes = [rule.quote for rule in rules if rule.kind in kinds.get(problem.rule, media)]
            if quotes and not problem.warns and problem.rule in {*kinds, "x-media"}:
                assert any(" ".join(quote.split()) in problem.quote for quote in quotes), (sentence, problem)
                quoted += 1
    assert quoted > 300, "the control"


@pytest.mark.parametrize(
    "sentence",
    [
        "For best results use a picture of up to 5 MB",
        "Recommended: at most 10 seconds",
        "建议不超过 300 个字符",
        "for example at most 3 MB",
        "Pictures larger than 4096 px are resized",
        "The link is valid for 24 hours",
        "480p costs 2 credits per second",
        "Generated clips are up to 10 seconds long",
        "The task takes up to 5 minutes",
        "Model 2 supports up to 4 images",
        "Common values are 16000 and 24000",
        "Values are rounded to multiples of 32",
        "若文本大于 300 个字符，推荐分段",
        "0.0 - 0.4: weak\n0.5 - 1.0: strong",
        'One of many: "aa", "bb", etc.',
        "See the supported models and features for more",
        "Big ones (`aa`, `bb`) cost more; small ones (`cc`, `dd`) cost less",
        "Values above it are clamped to at most 9",
        "At most 9 terms will be returned",
        'What it is. Example:\n"aa" or "bb"',
        "Send these fields:\n- `aa`: one\n- `bb`: two",
        "Valid values:\n\n1. `aa`: one",
        "Up to 3 character sheets",
        "It only supports big",
        "Valid values:\n`aa` - the first",
        "Valid values: 1: one 2: two",
        "If the whole would come to more than 4000 px, the job is refused",
        "Free users are limited to 500 px",
        "Valid values:\n- Big:Up: first.\n- Big:Down: last.",
        "Allowed characters: `a-b`, `c`, `d`",
        "A key above it is rejected with 400 if it is more than a maximum",
        "Elements whose 'type' parameter in the list must be 'aa' or 'bb'",
        "The `other` field may have at most 3 characters",
        "Longer than 90 characters? Send it in parts",
        "More than 9 pictures slow it down",
        "Larger than 9 MB means a slower upload",
        "大于 9MB 的图片较慢",
        "超过 9 MB 按两倍计费",
        "We keep it for at most 9 days",
        "Matched to the track, which may be 2 to 60 seconds long",
        "The result is a JPEG of at most 2 MB",
        "The station plays at most 60 seconds of it",
        "To reduce traffic, stay below 2 MB",
        "Most texts are shorter than 200 characters",
        "Clips between 5 and 9 seconds give the smoothest motion",
        "There is no limit, but we save them with at most 900 px in width",
        "目前支持 aa-1、bb-2,后续会增加更多",
        "最多 9 字,VIP 用户 90 字",
        "Accepted: big, small (case-insensitive)",
    ],
)
@pytest.mark.parametrize(("name", "kind"), [("image_url", "string"), ("prompt", "string"), ("style", "string")])
def test_advice_examples_and_what_the_service_does_are_no_rules(sentence: str, name: str, kind: str) -> None:
    assert said(sentence, name, kind) == set()


@pytest.mark.parametrize(
    ("description", "name", "kind"),
    [
        ("最多返回的条数，默认值：10", "n", "integer"),
        ("The maximum of it, by default 10", "n", "integer"),
        ("人脸部分不小于 40 像素", "image_url", "string"),
        ("How many（<=0 返回空）", "n", "integer"),
        ("Steps. Low (6–20) for a draft, high (40–50) for the rest", "n", "integer"),
        ("One of 4000, 9000; bigger jobs are clamped to ≤2000", "n", "integer"),
        ("Only PNG or XYZ files", "image_url", "string"),
        ("支持 mp4、xyz、mov。", "video_url", "string"),
        ("In one of these formats: mp4, mov,", "video_url", "string"),
        ("类型：0：慢。1：快，2，最快", "kind", "integer"),
        ("The result is as long as the audio (5s to 15 min)", "image_url", "string"),
        ("A positive number with up to two decimal places", "n", "number"),
        ("How many on a page. The default page limit is 10.", "n", "integer"),
        ("The default is 3.5 for a, and 4.5 for b.", "n", "number"),
        ("- small — 300px max\n- large — 900px max", "output_size", "string"),
    ],
)
def test_the_number_of_another_thing_is_no_bound(description: str, name: str, kind: str) -> None:
    assert {rule[0] for rule in said(description, name, kind)} <= {"default", "enum"}


@pytest.mark.parametrize(
    ("sentence", "limit"),
    [
        ("Never go over 6", ("to", 6)),
        ("You cannot request more than 6", ("to", 6)),
        ("Don't send more than 6", ("to", 6)),
        ("It is not allowed to use fewer than 6", ("from", 6)),
        ("There is no maximum of 6", None),
        ("No lower limit of 6", None),
    ],
)
def test_a_negation_before_a_verb_is_understood_or_nothing_is_said(
    sentence: str, limit: tuple[str, int] | None
) -> None:
    assert said(sentence, "n", "integer") == ({("range", limit)} if limit else set())


@pytest.mark.parametrize(
    ("power", "value"), [("2^20", 2**20), ("2**20", 2**20), ("2 ** 20 - 1", 2**20 - 1), ("10^6", 10**6), ("2³²", 2**32)]
)
def test_a_power_is_read_whole_or_not_at_all(power: str, value: int) -> None:
    limits = [rule.limit for rule in read_rules("n", "integer", f"From 0 to {power}") if rule.kind == "range"]
    assert all(limit.get("to", value) >= value for limit in limits), "no valid number is refused"


@pytest.mark.parametrize(
    ("sentence", "name", "kind"),
    [
        ("-2 or 3 to 8", "n", "integer"),
        ("3 to 8 or -2", "n", "integer"),
        ("0 (off) or 3-8", "n", "integer"),
        ("[3,8],或传 -2", "n", "integer"),
        ("0 不限,否则 3-8", "n", "integer"),
        ("Must be 0 (off) or between 3 and 8", "n", "integer"),
        ("可选 4:3、1:1,也可传 free", "shape", "string"),
        ("Options: 6, 8. Use `self` for the rest", "length", "string"),
        ("One of 360p, 540p. Default self.", "quality", "string"),
        ("Supports 360p, 540p; 900p is in beta", "quality", "string"),
        ("Supported: 4:3, 1:1. Anything else is ignored", "shape", "string"),
        ("Must be one of 4:3, 1:1 for words; pictures may also use 2:3", "shape", "string"),
        ("models before 2024 only accepted 512, 640", "size", "string"),
        ("Free up to 6; beyond that each costs more", "n", "integer"),
        ("We bill at most 6 frames", "n", "integer"),
        ("At most 3 (7 for enterprise)", "n", "integer"),
        ("Up to 6 (up to 20 with more)", "n", "integer"),
        ("At most 6 concurrently", "n", "integer"),
        ("最多 6,超出部分按 1 处理", "n", "integer"),
        ("The former limit of 6 has been removed", "n", "integer"),
        ("不再限制最多 6 个", "n", "integer"),
        ("Up to 90 characters; longer texts are truncated", "prompt", "string"),
        ("Up to about 90 characters works well", "prompt", "string"),
        ("Most people write 10 to 90 characters", "prompt", "string"),
        ("No more than 6 tags are shown on the page", "tags", "array"),
        ("Width of the logo at most 90 px", "image_url", "string"),
        ("不支持 Base64 以外的方式", "image_url", "string"),
        ("Only the characters `a-z`, `0-9` and `_`", "tag", "string"),
        ("Characters 0-9 only", "tag", "string"),
        ("不超过 90 个汉字或 200 个英文单词", "prompt", "string"),
        ("In JSON format. Title: at most 90 characters", "facts", "string"),
        ("The names. Separate several with commas. Valid values: `aa`, `bb`.", "kind", "string"),
        ("A value greater than 0 specifies where it starts", "n", "integer"),
        ("Give one or more tracks", "track", "integer"),
        ("Up to twenty, returned at one time", "n", "integer"),
        ("USD, precision at most 6 places", "n", "number"),
        ("The product of rows and columns must be 60 or less", "n", "integer"),
        ("The letters <p>a-z</p> <p>0-9</p> are fine", "tag", "string"),
        ("At most 90; more than that is coerced to 90", "n", "integer"),
        ("取值范围[3,90],不在其内则自动调整为 6", "n", "integer"),
        ("A whole number of 3~9, or pass `self`", "n", "integer"),
        ("Between 3 and 9, or null to leave it open", "n", "integer"),
        ("Try values between 2 and 30.", "scale", "number"),
        ("为每个主体提供最多 3 张", "images", "array"),
        ("可选最多 6 个 ref_image 项", "media", "array"),
        ("Length must match b. Maximum 2 'bg' elements allowed", "a", "array"),
        ("Defaults: slow=6; quick=9. Slow maximum 6; quick exactly 9", "n", "integer"),
        ("支持公网URL、Base64", "image_url", "string"),
        ("3-9 is a reasonable span.", "scale", "number"),
        ("支持 png、jpeg外加webp", "image_url", "string"),
        ("取 3~9 较为合适", "scale", "number"),
        ("Links (up to 4, each shortened to 20s).", "audio_urls", "array"),
        ("是否改写。 0:关闭 1:开启 其他数值:按1处理", "kind", "integer"),
        ("Higher is stiffer. Tune in 0.2-0.6", "scale", "number"),
        ("需同时传b_c、d_e、words三个参数", "a", "string"),
        ('"开(on)"或"关(off)"之一', "mode", "string"),
        ("尺寸(width, height)", "size", "string"),
        ("风格(如 aa, bb)", "style", "string"),
        ("- true: a film with sound\n- false: one without", "a", "boolean"),
        ("Snaps to the 16k+3 grid", "frames", "integer"),
        ("A scale, by the formula: 6*x + 1", "scale", "string"),
        ("Several, separated by commas. Each up to 9 characters", "tags", "string"),
        ("How long it is. -2 means a random length between 30 and 90 seconds", "n", "number"),
        ("Each is a PNG, JPEG or other image format file", "image_url", "string"),
        ("one for 1 lane (default), both for 2 lanes", "lane", "string"),
        ("A weight is a value between 0 and 1", "prompt", "string"),
        ("The model always draws at most 30 frames", "frames", "integer"),
        ("A track within 3 s of it sets the length", "n", "integer"),
        ('"aa" 不支持 3s, "bb" 及以上也不支持', "mode", "string"),
    ],
)
def test_nothing_is_refused_where_the_description_may_allow_more(sentence: str, name: str, kind: str) -> None:
    assert not {rule for rule in said(sentence, name, kind) if rule[0] != "default"}


@pytest.mark.parametrize(
    ("sentence", "name", "kind"),
    [("Best short; the hard cap is 90 signs", "prompt", "string"), ("-9 to +6 dB", "gain", "number"), ("帧率,24 或 30", "fps", "integer"),
     ("6n+1", "n", "integer"), ("in steps of 0.2", "n", "number"), ("[3,8],或传 -2", "n", "integer"), ("Up to 6 (up to 20 with more)", "n", "integer")],
)  # fmt: skip
def test_what_looks_like_a_limit_and_refuses_nothing_is_unclear(sentence: str, name: str, kind: str) -> None:
    assert "unclear" in {rule.kind for rule in read_rules(name, kind, sentence)}


@settings(deadline=None)
@given(NUMBERS, NUMBERS, st.integers(-9000, 20_000))
def test_another_number_beside_a_range_is_never_refused(low: int, more: int, other: int) -> None:
    for frame in ("{} to {}, or {}", "From {} to {}. There is {} as well", "{} 到 {},或 {}"):
        for _, *bounds in said(frame.format(low, low + more, other), "n", "integer"):
            assert dict(bounds)["from"] <= other <= dict(bounds)["to"]


@settings(deadline=None)
@given(st.integers(-900, 900), st.integers(1, 900), st.sampled_from(["范围[{},{}]", "取值范围:[{},{}]。", "in the range [{},{}]", "Valid values: [{}, {}]"]))  # fmt: skip
def test_a_comma_inside_a_range_separates_its_ends(low: int, more: int, frame: str) -> None:
    ((kind, *bounds),) = said(frame.format(low, low + more), "n", "integer")
    assert (kind, dict(bounds)) == ("range", {"from": low, "to": low + more})


def test_an_object_is_never_one_of_a_list_of_texts() -> None:
    assert said("One of `aa` or `bb`", "choice", "string") == {("enum", "aa", "bb")}
    assert said("One of `aa` or `bb`", "choice", "object") == set()


def test_a_list_that_holds_for_another_thing_only_is_conditional() -> None:
    (rule,) = read_rules("quality", "string", "Only model-2 supports high, medium and low quality.")
    assert rule.when == "Only model-2"


def test_a_field_that_takes_no_file_has_no_length() -> None:
    assert said("At most 8 seconds at 720p", "resolution") == set()
    assert said("At most 8 seconds at 720p", "video_url") == {("seconds", ("to", 8))}


def test_a_count_of_another_kind_of_file_is_not_one_of_the_field() -> None:
    sentence = "Up to 2 audio clips, and at least one image must be given"
    assert ("count", ("to", 2)) in said(sentence, "audio_urls", "array")
    assert ("count", ("to", 4)) in said("Up to 4 images", "referenceImages", "array")
    assert not [rule for rule in said(sentence, "audio_urls", "array") if ("from", 1) in rule]


def test_advice_is_read_as_a_hint() -> None:
    (hint,) = (rule for rule in read_rules("prompt", "string", "Best with at most 300 characters") if rule.hint)
    assert (hint.kind, hint.limit) == ("chars", {"to": 300})


def test_a_condition_stays_with_its_rule() -> None:
    rules = said("At most 9 images. When `mode` is set to quick, at most 3 images", "images", "array")
    assert rules == {("count", ("to", 9)), ("count", ("to", 3), "when When `mode` is set to quick")}


def test_what_was_not_understood_is_reported() -> None:
    sentence = "The face must look into the camera."
    assert [(rule.kind, rule.quote) for rule in read_rules("image_url", "string", sentence)] == [
        ("unclear", sentence[:-1])
    ]


SCHEMES = {"any": ["https", "http", "asset"], "quote": "Input method: public URL or active uploaded AssetId only"}
SIDES = {"from": 300, "to": 6000, "quote": "Width and height: 300 to 6000 px"}
BASE64 = {"any": [], "quote": "Base64 is not supported"}
# What a person once wrote for the pages by hand: every rule of the files, with its sentence.
BY_HAND: dict[str, dict[str, dict[str, Any]]] = {
    "reference_images": {
        "schemes": SCHEMES, "base64": BASE64, "width": SIDES, "height": SIDES,
        "formats": {"any": ["jpeg", "png", "webp", "bmp", "tiff", "gif", "heic", "heif"], "quote": "Formats: jpeg, png, webp, bmp, tiff, gif, heic, heif"},
        "ratio": {"over": 0.4, "under": 2.5, "quote": "Aspect ratio (width/height): greater than 0.4 and less than 2.5"},
        "megabytes": {"under": 30, "quote": "File size: less than 30 MB per image"},
    },
    "reference_videos": {
        "schemes": SCHEMES, "base64": BASE64, "width": SIDES, "height": SIDES,
        "formats": {"any": ["mp4", "mov"], "quote": "Formats: mp4, mov"},
        "seconds": {"from": 2, "to": 15, "quote": "Duration: 2 to 15 seconds per video"},
        "total_seconds": {"to": 15, "quote": "total reference video duration must not exceed 15 seconds"},
        "ratio": {"from": 0.4, "to": 2.5, "quote": "Aspect ratio (width/height): 0.4 to 2.5"},
        "pixels": {"from": 409600, "to": 927408, "quote": "Total pixel count (width x height): 409600 to 927408"},
        "megabytes": {"to": 50, "quote": "File size: up to 50 MB per video"},
        "fps": {"from": 24, "to": 60, "quote": "Frame rate: 24 to 60 FPS"},
    },
    "reference_audios": {
        "schemes": SCHEMES, "base64": BASE64, "formats": {"any": ["wav", "mp3"], "quote": "Formats: wav, mp3"},
        "seconds": {"from": 2, "to": 15, "quote": "Duration: 2 to 15 seconds per clip"},
        "total_seconds": {"to": 15, "quote": "total reference audio duration must not exceed 15 seconds"},
        "megabytes": {"to": 15, "quote": "File size: up to 15 MB per clip"},
    },
    "img_urls": {
        "base64": {"any": [], "quote": "For uploaded image materials, only URL upload is supported and Base64 is not supported"},
        "schemes": {"any": ["https", "http", "asset"], "quote": "Seedance 2.0 image-to-video supports your own uploaded assets."},
    },
}  # fmt: skip
PLACEHOLDERS = {"reference_images": ["[Image{n}]", "[图{n}]"], "reference_videos": ["[Video{n}]", "[视频{n}]"],
                "reference_audios": ["[Audio{n}]", "[音频{n}]"]}  # fmt: skip


def test_the_pages_say_all_the_limits_of_files_that_a_person_once_wrote_for_them() -> None:
    fields = {path[-1]: schema for name in model_names() for path, schema in named_fields(sd.spec(name))}
    written = {(field, kind): rule for field, rules in BY_HAND.items() for kind, rule in rules.items()}
    assert {(field, kind): fields[field]["x-media"].get(kind) for field, kind in written} == written
    by_hand = [rule for name in model_names() for rule in sd.spec(name).rules if rule.origin == "x-media"]
    assert [(rule.path, rule.kind) for rule in by_hand] == [("/input/img_urls", "schemes")]
    assert len(by_hand) < len(written) / 10, "nine of ten are read"


def test_the_names_of_files_in_a_prompt_are_read_from_its_page() -> None:
    fields = named_fields(sd.spec("crun/seedance-2.0-fast-r2v"))
    (table,) = (schema["x-placeholders"] for _, schema in fields if "x-placeholders" in schema)
    assert {field: forms for field, forms in table.items() if field != "quote"} == PLACEHOLDERS
    assert "x-placeholders" not in str(packaged("crun/seedance-2.0-fast-r2v")), "it is no longer written by hand"


def test_nothing_is_invented_on_the_pages() -> None:
    other = {
        (rule.path.rpartition("/")[2], rule.kind, *limit_of(rule))
        for name in model_names()
        for rule in sd.spec(name).rules
        if rule.kind not in BY_HAND.get(rule.path.rpartition("/")[2], ()) and rule.path != "/model"
    }
    assert {rule for rule in other if rule[1] != "placeholder"} == {
        ("input", "required_any", "reference_images", "reference_videos"), ("duration", "range", ("from", 4), ("to", 15)),
        ("reference_videos", "count", ("to", 3)), ("reference_audios", "count", ("to", 3)), ("duration", "price", "40"),
        *((name, "asset", "Active") for name in ("img_urls", "reference_images", "reference_videos", "reference_audios")),
    }  # fmt: skip


def test_what_a_page_binds_and_the_reader_cannot_say_is_listed() -> None:
    unchecked = [(rule.path, rule.quote) for rule in sd.spec("crun/seedance-2.0-fast-r2v").unchecked]
    assert unchecked == [("/input/reference_videos", "Resolution: 480p or 720p")]


FIELDS: dict[str, Any] = {
    "prompt": {"type": "string", "description": "At most 20 characters. Use a picture as [Image1]."},
    "images": {
        "type": "array", "items": {"type": "string"},
        "description": "Up to 2 images. Formats: png, jpeg. Base64 is not supported. Recommended: at most 1 MB each.",
    },
    "mode": {"type": "string", "description": "Must be one of `slow`, `quick`. If `steps` is 3, must be `quick`."},
    "steps": {"type": "integer", "maximum": 90, "description": "Between 1 and 50."},
    "size": {"type": "integer", "default": 7, "description": "Between 1 and 5."},
}  # fmt: skip
PAGE = {"type": "object", "properties": FIELDS}


@pytest.mark.parametrize(
    ("values", "broken"),
    [
        ({"prompt": "a fox"}, {}),
        ({"prompt": "a fox that runs over the hill"}, {"/prompt": "maxLength"}),
        ({"prompt": "[Image3]", "images": ["https://a.example/a.png"]}, {"/prompt": "x-placeholders"}),
        ({"prompt": "a", "images": ["https://a.example/a.png"] * 3}, {"/images": "maxItems"}),
        ({"prompt": "a", "images": ["data:image/png;base64,AAAA"]}, {"/images/0": "x-media"}),
        ({"prompt": "a", "mode": "odd"}, {"/mode": "enum"}),
        ({"prompt": "a", "steps": 0}, {"/steps": "minimum"}),
        ({"prompt": "a", "steps": 60}, {}),
        ({"prompt": "a", "size": 7}, {}),
    ],
)
def test_a_page_alone_is_enough_to_refuse_what_it_refuses(values: dict[str, Any], broken: dict[str, str]) -> None:
    problems = check(sd.spec(PAGE), values)
    assert {problem.path: problem.rule for problem in problems} == broken, "keys and examples win over words"
    assert all(problem.quote and problem.quote in str(PAGE) for problem in problems)


def test_what_binds_under_a_condition_or_between_fields_is_listed_as_unchecked() -> None:
    tied = {"type": "integer", "description": "Requires `mode`. If `mode` is slow, at most 3."}
    unchecked = sd.spec({"type": "object", "properties": {**FIELDS, "depth": tied}}).unchecked
    assert [(rule.kind, rule.when) for rule in unchecked if rule.path == "/depth"] == [
        ("requires", ""), ("range", "If `mode` is slow"),
    ]  # fmt: skip


@settings(deadline=None)
@given(
    st.text(max_size=300),
    st.sampled_from(["image_url", "prompt", "n"]),
    st.sampled_from(["string", "array", "integer", None]),
)
def test_any_text_is_read_and_quoted_exactly(description: str, name: str, kind: str | None) -> None:
    rules = read_rules(name, kind, description)
    assert all(rule.quote in description for rule in rules)
    assert rules == read_rules(name, kind, description)


TWINS = [  # what a field is, and one limit in both languages
    ("prompt", "string", "At most {} characters", "最多 {} 个字符"),
    ("prompt", "string", "No more than {} characters", "不超过 {} 个字符"),
    ("prompt", "string", "Less than {} characters", "小于 {} 个字符"),
    ("image_url", "string", "File size up to {} MB", "文件大小不超过 {}MB"),
    ("image_url", "string", "Each side at least {} px", "每边不小于 {} 像素"),
    ("video_url", "string", "Duration: less than {} seconds", "时长小于 {} 秒"),
    ("image_urls", "array", "Up to {} images", "最多 {} 张图片"),
    ("n", "integer", "At least {}", "至少 {}"),
    ("n", "integer", "Default: {}", "默认值：{}"),
    ("n", "integer", "Must be a multiple of {}", "必须是 {} 的倍数"),
]


@settings(deadline=None)
@given(st.sampled_from(TWINS), NUMBERS)
def test_a_limit_is_the_same_in_both_languages(twin: tuple[str, str, str, str], number: int) -> None:
    name, kind, *sentences = twin
    english, chinese = (said(sentence.format(number), name, kind) for sentence in sentences)
    assert english == chinese != set()


@settings(deadline=None)
@given(
    st.sampled_from(TWINS),
    NUMBERS,
    st.sampled_from(["Recommended: {}", "For example: {}", "It works best with: {}", "建议：{}", "例如：{}"]),
)
def test_no_limit_is_certain_that_is_advice_or_an_example(
    twin: tuple[str, str, str, str], number: int, frame: str
) -> None:
    name, kind, *sentences = twin
    assert all(said(frame.format(sentence.format(number)), name, kind) == set() for sentence in sentences)


@settings(deadline=None)
@given(
    st.sampled_from(TWINS),
    NUMBERS,
    st.sampled_from(["<p>{}</p>", "**{}**", "<ul><li>{}</li></ul>", "  *  {}", "More.\n\n{}\n"]),
)
def test_markup_changes_no_limit_and_every_quote_is_exact(
    twin: tuple[str, str, str, str], number: int, frame: str
) -> None:
    name, kind, sentence, _ = twin
    marked = frame.format(sentence.format(number).replace(" ", "  "))
    assert said(marked, name, kind) == said(sentence.format(number), name, kind)
    assert all(rule.quote and rule.quote in marked for rule in read_rules(name, kind, marked))


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_of_two_different_bounds_the_one_counts_that_refuses_less(first: int, second: int) -> None:
    both = f"Pictures up to {first} MB. Films up to {second} MB."
    assert said(both, "file_url") == {("megabytes", ("to", max(first, second)))}
    assert said(f"At least {first} px wide; at least {second} px wide", "image_url") == {
        ("width", ("from", min(first, second)))
    }


@pytest.mark.parametrize("frame", [
    "{} and {} are not supported.", "{} or {} cannot be used", "We no longer support {} and {}.", "Do not send {} or {} files",
    "{} and {} are rejected.", "不支持 {}、{} 格式的图片", "暂不支持 {} 和 {}", "除 {}、{} 外均可",
])  # fmt: skip
@pytest.mark.parametrize("formats", [("PNG", "JPEG"), ("webp", "gif"), (".bmp", ".tiff")])
def test_a_list_of_formats_that_is_denied_is_not_one_of_those_that_are_taken(
    frame: str, formats: tuple[str, str]
) -> None:
    assert not said(frame.format(*formats), "image_url")
    assert said("{} and {} are supported.".format(*formats), "image_url"), "the control"


@settings(deadline=None)
@given(
    NUMBERS, st.sampled_from(["longer than {} s", "over {} s", "shorter than {} seconds", "大于 {} 秒", "超过 {} 秒"])
)
def test_a_comparison_binds_only_with_a_verb_or_alone(number: int, words: str) -> None:
    comparison = words.format(number)
    for frame in ("Clips {} cost more credits", "Clips {} are slow to make", "{}的片段较慢"):
        assert not said(frame.format(comparison), "video_url")
    if comparison.isascii():
        assert {one[0] for one in said(f"The clip must be {comparison}", "video_url")} == {"seconds"}, "the control"


@settings(deadline=None)
@given(st.sampled_from(["must not exceed {} s", "is at most {} s"]), NUMBERS, st.integers(1, 9))
def test_a_line_that_is_only_wrapped_is_read_as_one_sentence(words: str, number: int, at: int) -> None:
    sentence = f"The whole duration of the clip that is given with this field {words.format(number)}".split(" ")
    wrapped = " ".join(sentence[:-at]) + "\n" + " ".join(sentence[-at:])
    assert said(wrapped, "video_url") == {("seconds", ("to", number))}


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_two_bounds_of_one_thing_in_a_sentence_refuse_nothing(first: int, second: int) -> None:
    for sentence in ("A film up to {} s, at most {} s for guests", "不超过 {} 秒,访客最多 {} 秒"):
        expected = {("seconds", ("to", first))} if first == second else set[tuple[Any, ...]]()
        assert said(sentence.format(first, second), "video_url") == expected


@settings(deadline=None)
@given(st.permutations(["png", "jpeg", "webp", "gif", "bmp"]), st.sampled_from([" plus {}", ",外加{}", ". Others: {}"]))
def test_a_list_of_formats_with_another_one_beside_it_refuses_nothing(formats: list[str], frame: str) -> None:
    listed = f"Formats: {', '.join(formats[:3])}"
    assert said(listed, "image_url") == {("formats", *formats[:3])}
    assert not said(listed + frame.format(formats[3]), "image_url")


@settings(deadline=None)
@given(
    NUMBERS,
    NUMBERS,
    st.integers(-9, 10_000),
    st.sampled_from(["{}. Set to {} for none", "{}, {} means none", "{}. {} 表示不限"]),
)
def test_a_special_value_beside_a_range_is_not_refused(low: int, more: int, special: int, frame: str) -> None:
    ((kind, *bounds),) = said(frame.format(f"Between {low} and {low + more}", special), "n", "integer")
    assert (kind, dict(bounds)) == ("range", {"from": min(low, special), "to": max(low + more, special)})


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_a_bound_of_each_file_is_not_one_of_all(each: int, total: int) -> None:
    text = f"Each clip at most {each} s. All clips together at most {total} s in total."
    assert said(text, "video_urls", "array") == {("seconds", ("to", each)), ("total_seconds", ("to", total))}


@settings(deadline=None)
@given(st.sampled_from(["more", "less"]), NUMBERS)
def test_a_negation_turns_a_bound(word: str, number: int) -> None:
    closed, opened = {"more": ("to", "over"), "less": ("from", "under")}[word]
    assert said(f"Must not be {word} than {number} characters", "prompt") == {("chars", (closed, number))}
    assert said(f"Must be {word} than {number} characters", "prompt") == {("chars", (opened, number))}


WORDS = st.sampled_from(
    [
        "at most",
        "up to",
        "5",
        "10 MB",
        "(",
        ")",
        "[",
        "]",
        "image",
        "must",
        "be",
        "one of",
        "`a`",
        ",",
        ".",
        "\n",
        "默认",
        "不超过",
        "张",
        "between",
        "and",
        "1:2",
        "if x is y",
    ]
)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=40).map(" ".join))
def test_no_words_of_limits_in_any_order_break_the_reader(description: str) -> None:
    for rule in read_rules("image_urls", "array", description):
        low, high = (
            rule.limit.get(names[0], rule.limit.get(names[1])) for names in (("from", "over"), ("to", "under"))
        )
        assert low is None or high is None or low <= high
        assert rule.quote in description
